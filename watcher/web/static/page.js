// Keeps a page live: hears from the monitor that something has changed, fetches the page anew and swaps what differs.
"use strict";
(() => {
  const root = document.currentScript.dataset.root;
  const asof = document.getElementById("asof");
  const REFRESH_MS = 30_000; // figures move on even where no state changes
  const PAUSE_MS = 500; // between two fetches, however much changes
  const styles = {
    time: { timeStyle: "medium" },
    day: { dateStyle: "medium" },
    full: { dateStyle: "medium", timeStyle: "medium" },
  };

  function localize(part) {
    for (const time of part.querySelectorAll("time")) {
      time.textContent = new Date(time.dateTime).toLocaleString(undefined, styles[time.dataset.style]);
    }
  }

  function tell(isLive) {
    asof.classList.toggle("stale", !isLive);
    asof.querySelector("b").textContent = isLive ? "● live" : "▲ cut off";
  }

  // What the reader has folded stays folded, and what has the focus keeps it.
  function swap(old, fresh) {
    const folded = new Set([...old.querySelectorAll("details:not([open])")].map((one) => one.dataset.name));
    for (const one of fresh.querySelectorAll("details[data-name]")) one.open = !folded.has(one.dataset.name);
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const href = focused && focused.getAttribute("href");
    const name = focused && focused.parentElement.dataset.name;
    old.replaceWith(fresh);
    if (!focused) return;
    const again = [...fresh.querySelectorAll("a, summary")].find((one) =>
      href ? one.getAttribute("href") === href : name !== undefined && one.parentElement.dataset.name === name);
    if (again) again.focus({ preventScroll: true });
  }

  let isFetching = false;
  let isWanted = false;
  async function refresh() {
    isWanted = true;
    if (isFetching) return;
    isFetching = true;
    while (isWanted) {
      isWanted = false;
      try {
        const answer = await fetch(location.href, { credentials: "same-origin" });
        if (answer.ok) {
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          localize(page);
          for (const old of document.querySelectorAll("[data-live]")) {
            const fresh = page.getElementById(old.id);
            if (fresh && fresh.outerHTML !== old.outerHTML) swap(old, document.importNode(fresh, true));
          }
        }
      } catch {
        tell(false);
      }
      await new Promise((done) => setTimeout(done, PAUSE_MS));
    }
    isFetching = false;
  }

  localize(document);
  const label = document.createElement("b");
  asof.prepend(label, " · ");
  tell(false);
  const events = new EventSource(`${root}/events`);
  events.addEventListener("open", () => tell(true));
  events.addEventListener("error", () => tell(false));
  events.addEventListener("change", refresh);
  setInterval(() => document.hidden || refresh(), REFRESH_MS);
})();
