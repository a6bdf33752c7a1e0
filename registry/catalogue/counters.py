"""Download counts: each client counts once for each repository and day; the window and trends roll hourly."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from datetime import date, timedelta

from django.core.cache import cache
from django.db import DatabaseError, transaction
from django.db.models import Count, F
from django.utils import timezone

from registry.accounts.principal import Principal
from registry.catalogue.models import DownloadMark, RepositoryCounters
from registry.repositories.models import Repository

logger = logging.getLogger(__name__)

WINDOW_DAYS = 30
TREND_DAYS = 7
# A day-old download weighs this much of today's; likes weigh more, they are rarer.
_DECAY = 0.8
_LIKE_WEIGHT = 0.5
_DAY_SECONDS = 86_400


def _client_of(principal: Principal) -> str:
    """Returns who downloads, as an opaque hash: the user if there is one, else the address and agent."""
    who = f"user:{principal.user_id}" if principal.is_authenticated else f"client:{principal.client}"
    return hashlib.sha256(who.encode()).hexdigest()


def download_record(*, repository: Repository, principal: Principal) -> bool:
    """Counts a download, once for each client, repository and day (UTC); returns whether it was the first.

    A repeat costs one cache look-up and no query. A database that cannot answer now costs a count, never the download.
    """
    today = timezone.now().date()
    client = _client_of(principal)
    key = f"download:{repository.pk}:{client}:{today.isoformat()}"
    if not cache.add(key, 1, _DAY_SECONDS):
        return False
    try:
        with transaction.atomic():
            _, created = DownloadMark.objects.get_or_create(repository=repository, client=client, window=today)
            if created:
                RepositoryCounters.objects.filter(repository=repository).update(
                    downloads=F("downloads") + 1, downloads_all_time=F("downloads_all_time") + 1
                )
    except DatabaseError:
        logger.warning("a download of repository %s was not counted", repository.pk, exc_info=True)
        cache.delete(key)
        return False
    return created


def windows_roll(*, today: date | None = None) -> int:
    """Recounts downloads of the last 30 days and trends, and drops marks that have left the window.

    Returns:
        How many repositories' counters changed.
    """
    now = today or timezone.now().date()
    oldest = now - timedelta(days=WINDOW_DAYS - 1)
    DownloadMark.objects.filter(window__lt=oldest).delete()
    downloads: dict[int, int] = defaultdict(int)
    trends: dict[int, float] = defaultdict(float)
    counted = DownloadMark.objects.values_list("repository_id", "window").annotate(number=Count("pk"))
    for repository_id, window, number in counted.iterator():
        downloads[repository_id] += number
        age = (now - window).days
        if 0 <= age < TREND_DAYS:
            trends[repository_id] += number * _DECAY**age
    return sum(_roll_one(row, downloads, trends) for row in RepositoryCounters.objects.iterator())


def _roll_one(row: RepositoryCounters, downloads: dict[int, int], trends: dict[int, float]) -> bool:
    fresh = downloads.get(row.pk, 0)
    trending = round(trends.get(row.pk, 0.0) + _LIKE_WEIGHT * row.likes, 3)
    if (fresh, trending) == (row.downloads, row.trending):
        return False
    RepositoryCounters.objects.filter(pk=row.pk).update(downloads=fresh, trending=trending)
    return True
