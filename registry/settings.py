"""Settings: everything is chosen by `WEIGHBRIDGE_…` environment variables with safe defaults (docs/configuration.md).

The embedded default needs nothing but a folder: SQLite, files, and a broker made of files, all under `DATA_DIR`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from registry.console import navigation as console_navigation
from registry.environment import (
    database_from_url,
    env_bool,
    env_int,
    env_list,
    env_text,
    env_url,
    secret_from_file,
)

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env_text("WEIGHBRIDGE_DATA_DIR", str(BASE_DIR / "data"))).absolute()
DATA_DIR.mkdir(parents=True, exist_ok=True)

DEBUG = env_bool("WEIGHBRIDGE_DEBUG")
SECRET_KEY = env_text("WEIGHBRIDGE_SECRET_KEY") or secret_from_file(DATA_DIR / "secrets" / "secret_key")
# What a worker shows to claim jobs; the job itself then gets a token of its own.
WORKER_SECRET = env_text("WEIGHBRIDGE_WORKER_SECRET") or secret_from_file(DATA_DIR / "secrets" / "worker_secret")
# Signs receipts (Ed25519, PEM); without it a key is made in the data folder on first use.
RECEIPT_KEY = env_text("WEIGHBRIDGE_RECEIPT_KEY")
RECEIPT_KEY_FILE = DATA_DIR / "secrets" / "receipt_key.pem"

# --- addresses -------------------------------------------------------------------------------------------------
PUBLIC_URL = env_url("WEIGHBRIDGE_PUBLIC_URL", "http://127.0.0.1:8000")
OBJECT_URL = env_url("WEIGHBRIDGE_OBJECT_URL", "http://127.0.0.1:8001")
ALLOWED_HOSTS = env_list("WEIGHBRIDGE_ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
if env_bool("WEIGHBRIDGE_BEHIND_PROXY"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    USE_X_FORWARDED_HOST = True
_HTTPS = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_NAME = "weighbridge_session"
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _HTTPS
SECURE_SSL_REDIRECT = False  # the proxy in front does this; a redirect here would break plain health checks
# W008: see SECURE_SSL_REDIRECT; W021: to be on browsers' preload lists is the operator's decision, hard to take back.
SILENCED_SYSTEM_CHECKS = ["security.W008", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- applications ----------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "registry.epochs",
    "registry.accounts",
    "registry.audit",
    "registry.storage",
    "registry.repositories",
    "registry.licensing",
    "registry.catalogue",
    "registry.access",
    "registry.jobs",
    "registry.hub",
    "registry.api",
    "registry.web",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "drf_spectacular",
    "django_htmx",
    "registry.console",  # last: it takes the other applications' own admin pages out
]

MIDDLEWARE = [
    "registry.middleware.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "registry.web.middleware.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    # Before CSRF: a request with a token of its own needs no CSRF check.
    "registry.accounts.middleware.PrincipalMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "registry.http_errors.ErrorMiddleware",
]

ROOT_URLCONF = "registry.urls"
WSGI_APPLICATION = "registry.wsgi.application"
APPEND_SLASH = False  # a redirect on POST would lose the body (hub-api 9.3)

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "registry.web.context.site",
            ],
        },
    },
]

# --- data ------------------------------------------------------------------------------------------------------
DATABASES = {
    "default": database_from_url(
        env_text("WEIGHBRIDGE_DATABASE_URL") or f"sqlite:///{DATA_DIR / 'weighbridge.sqlite3'}",
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# `file:///folder` or `s3://bucket?endpoint=…` (registry.storage.stores)
OBJECT_STORE_URL = env_text("WEIGHBRIDGE_OBJECT_STORE_URL") or f"file://{DATA_DIR / 'objects'}"
UPLOAD_DIR = DATA_DIR / "uploads"

_CACHE_URL = env_text("WEIGHBRIDGE_CACHE_URL")
CACHES = {
    "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": _CACHE_URL}
    if _CACHE_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 10_000}}
}

BROKER_URL = env_text("WEIGHBRIDGE_BROKER_URL", "filesystem://")

# --- limits ----------------------------------------------------------------------------------------------------
# Commit bodies run to hundreds of megabytes and are streamed; forms and JSON have limits of their own (hub-api 9.4).
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
MAX_REGULAR_FILE_SIZE = env_int("WEIGHBRIDGE_MAX_REGULAR_FILE_SIZE", 10 * 1024 * 1024)
MAX_COMMIT_SIZE = env_int("WEIGHBRIDGE_MAX_COMMIT_SIZE", 1024 * 1024 * 1024)
MAX_OBJECT_SIZE = env_int("WEIGHBRIDGE_MAX_OBJECT_SIZE", 500 * 1024**3)
MAX_UNFINISHED_JOBS = env_int("WEIGHBRIDGE_MAX_UNFINISHED_JOBS", 20, minimum=1)  # of one person
# Larger uploads go in parts, so that a broken line costs one part and not the whole.
MULTIPART_THRESHOLD = env_int("WEIGHBRIDGE_MULTIPART_THRESHOLD", 4 * 1024**3)
MULTIPART_CHUNK_SIZE = env_int("WEIGHBRIDGE_MULTIPART_CHUNK_SIZE", 256 * 1024**2, minimum=1)
LINK_LIFETIME_SECONDS = env_int("WEIGHBRIDGE_LINK_LIFETIME_SECONDS", 3600, minimum=60)
SIGN_UP_OPEN = env_bool("WEIGHBRIDGE_SIGN_UP_OPEN", default=True)

# --- people ----------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "registry.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Weighbridge] "
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Weighbridge"

_SMTP_HOST = env_text("WEIGHBRIDGE_SMTP_HOST")
if _SMTP_HOST:
    EMAIL_HOST = _SMTP_HOST
    EMAIL_PORT = env_int("WEIGHBRIDGE_SMTP_PORT", 587)
    EMAIL_HOST_USER = env_text("WEIGHBRIDGE_SMTP_USER")
    EMAIL_HOST_PASSWORD = env_text("WEIGHBRIDGE_SMTP_PASSWORD")
    EMAIL_USE_TLS = env_bool("WEIGHBRIDGE_SMTP_TLS", default=True)
else:  # the embedded default writes mail to files that an operator can read
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(DATA_DIR / "mail")
DEFAULT_FROM_EMAIL = env_text("WEIGHBRIDGE_FROM_EMAIL", "weighbridge@localhost")

# --- language, time, static files ------------------------------------------------------------------------------
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = Path(env_text("WEIGHBRIDGE_STATIC_ROOT", str(DATA_DIR / "static")))
WHITENOISE_USE_FINDERS = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": DATA_DIR / "media"}},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- REST framework --------------------------------------------------------------------------------------------
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["registry.api.authentication.PrincipalAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],  # services decide, object by object
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "registry.http_errors.rest_exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Weighbridge",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    # fields `purpose` and `purposes` share one enumeration
    "ENUM_NAME_OVERRIDES": {"PurposeEnum": "registry.api.licensing_bodies.PURPOSES"},
}

# --- admin panel -----------------------------------------------------------------------------------------------
UNFOLD = console_navigation.UNFOLD

# --- logging: one JSON line an event; secrets never get there ---------------------------------------------------
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "registry.logging.line_formatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env_text("WEIGHBRIDGE_LOG_LEVEL", "INFO")},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "kombu.connection": {"level": "ERROR"},
        "httpx2": {"level": "WARNING"},
    },
}
LOGGING_CONFIG = "logging.config.dictConfig"
