// Small conveniences on every page. Each page works without this file; nothing here is the only way to do a thing.
"use strict";

// Copy buttons stay hidden until they can work.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
}
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = button.dataset.copy || button.closest(".snippet").querySelector("code").textContent;
  await navigator.clipboard.writeText(source);
  const label = button.querySelector("[data-copy-label]");
  if (!label) return;
  const before = label.textContent;
  label.textContent = "Copied";
  setTimeout(() => { label.textContent = before; }, 1600);
});

// One open menu at a time; Escape and a click elsewhere close it.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = document.querySelector("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  } else if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) {
    const field = [...document.querySelectorAll("[data-hotkey='/']")].find((item) => item.offsetParent !== null);
    if (field) {
      event.preventDefault();
      field.focus();
    }
  }
});

// Forms marked so send themselves when a choice changes (the button that does it without script hides itself by CSS).
document.documentElement.dataset.script = "on";
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-autosubmit]");
  if (form && !form.matches("[hx-get]")) form.requestSubmit();
});

// Addresses stay short: empty fields of a filter form are left out. An empty purpose means "any", so it stays.
document.addEventListener("htmx:configRequest", (event) => {
  const data = event.detail.formData;
  for (const [name, value] of [...data.entries()]) {
    if (value === "" && name !== "purpose") data.delete(name);
  }
});
