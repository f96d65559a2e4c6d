// Keeps a page live: listens for changes, fetches the page again and replaces the parts that differ.
"use strict";
(() => {
  const root = document.currentScript.dataset.root;
  const asof = document.getElementById("asof");
  const REFRESH_MS = 30_000; // figures change even if no state does
  const PAUSE_MS = 500; // minimum between two fetches
  const SILENCE_MS = 25_000; // the monitor sends a beat every ten seconds
  const AGAIN_MS = 5_000;
  const BAR = 4; // the width of a bar with its gap
  const styles = {
    time: { timeStyle: "medium" },
    day: { dateStyle: "medium" },
    full: { dateStyle: "medium", timeStyle: "medium" },
    hour: { timeStyle: "short" },
    date: { day: "numeric", month: "short" },
    month: { month: "short", year: "numeric" },
  };
  function written(at, style) {
    const date = new Date(at);
    const isToday = style === "full" && date.toDateString() === new Date().toDateString();
    return isToday ? `today ${date.toLocaleTimeString(undefined, styles.time)}` : date.toLocaleString(undefined, styles[style]);
  }

  // Times are shown in the reader's zone, and bars and charts show their values by pointer and by arrow keys.
  function prepare(part) {
    for (const time of part.querySelectorAll("time")) {
      const isDay = time.dataset.style === "day" && time.dateTime.endsWith("T00:00:00.000Z");
      time.textContent = isDay
        ? new Date(time.dateTime).toLocaleDateString(undefined, { ...styles.day, timeZone: "UTC" })
        : written(time.dateTime, time.dataset.style);
    }
    for (const text of part.querySelectorAll("text[data-at]")) text.textContent = written(text.dataset.at, text.dataset.style);
    for (const one of part.querySelectorAll("svg.bars, svg.chart")) {
      for (const title of one.querySelectorAll("title")) {
        title.parentNode.setAttribute("data-tip", title.textContent);
        title.remove();
      }
      if (!one.matches(".bars")) continue;
      one.setAttribute("tabindex", "0");
      one.setAttribute("role", "slider"); // arrow keys choose a day, and its text is read out
      one.setAttribute("aria-valuemin", "1");
      const days = daysOf(one);
      one.setAttribute("aria-valuemax", String(days));
      one.setAttribute("aria-valuenow", String(days));
      one.setAttribute("aria-valuetext", textOfDay(one, days - 1).join(": "));
    }
  }

  const daysOf = (bars) => Math.round((bars.viewBox.baseVal.width + 1) / BAR) || 1;

  function textOfDay(bars, number) {
    const day = new Date(`${bars.dataset.until}T00:00:00Z`);
    day.setUTCDate(day.getUTCDate() - (daysOf(bars) - 1 - number));
    const left = String(number * BAR);
    const told = [...bars.querySelectorAll("rect[data-tip]")].find((one) => one.getAttribute("x") === left);
    const isUp = [...bars.querySelectorAll("path.up")].some((one) => one.getAttribute("d").includes(`M${left} 0h`));
    const date = day.toLocaleDateString(undefined, { ...styles.day, timeZone: "UTC" });
    return [date, told ? told.dataset.tip.replace(/^[-\d]+: /, "") : isUp ? "nothing went wrong" : "no data"];
  }

  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  document.body.append(tip);
  function show([head, text], left, top) {
    const strong = document.createElement("b");
    strong.textContent = head;
    tip.replaceChildren(strong, text);
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(left - width / 2, innerWidth - width - 8))}px`;
    tip.style.top = `${top - height - 8 < 4 ? top + 36 : top - height - 8}px`;
  }
  const unmark = () => document.querySelectorAll("svg.bars .picked").forEach((one) => one.remove());
  function pick(bars, number) {
    const days = daysOf(bars);
    const chosen = Math.max(0, Math.min(days - 1, number));
    const { left, top, width } = bars.getBoundingClientRect();
    bars.setAttribute("aria-valuenow", String(chosen + 1));
    const text = textOfDay(bars, chosen);
    bars.setAttribute("aria-valuetext", text.join(": "));
    unmark();
    const mark = document.createElementNS(bars.namespaceURI, "rect");
    for (const [name, value] of Object.entries({ class: "picked", x: chosen * BAR, width: BAR - 1, height: "100%" })) {
      mark.setAttribute(name, value);
    }
    bars.append(mark);
    show(text, left + (width * (chosen + 0.5)) / days, top);
  }
  document.addEventListener("pointermove", (event) => {
    const bars = event.target.closest?.("svg.bars");
    const part = event.target.closest?.("svg.chart [data-tip]");
    if (bars) {
      const { left, top, width } = bars.getBoundingClientRect();
      const number = Math.min(daysOf(bars) - 1, Math.max(0, Math.floor(((event.clientX - left) / width) * daysOf(bars))));
      show(textOfDay(bars, number), event.clientX, top);
    } else if (part) {
      const at = part.dataset.at;
      const text = part.dataset.tip;
      show(at ? [written(at, "full"), text.slice(text.indexOf("UTC: ") + 5)] : ["", text], event.clientX, event.clientY - 8);
    } else if (!document.activeElement.matches("svg.bars")) tip.hidden = true;
  });
  document.addEventListener("focusin", (event) => {
    tip.hidden = true;
    if (event.target.matches("svg.bars")) pick(event.target, Number(event.target.getAttribute("aria-valuenow")) - 1);
  });
  document.addEventListener("focusout", () => {
    tip.hidden = true;
    unmark();
  });
  document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") tip.hidden = true;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -7, ArrowUp: 7, Home: -1000, End: 1000 }[event.key];
    if (!step || !event.target.matches("svg.bars")) return;
    event.preventDefault();
    pick(event.target, Number(event.target.getAttribute("aria-valuenow")) - 1 + step);
  });

  // Details that the reader has collapsed stay collapsed, and the focused element keeps the focus.
  const placeOf = (one) => {
    const row = one.closest("li, tr");
    const link = one.matches("a") ? one : row && row.querySelector("a");
    return `${one.localName} ${link ? link.getAttribute("href") : one.parentElement.dataset.name} ${one.getAttribute("class")}`;
  };
  const linkOf = (row) => row.querySelector("a")?.getAttribute("href");
  function swap(old, fresh) {
    const folded = new Set([...old.querySelectorAll("details:not([open])")].map((one) => one.dataset.name));
    if (old.matches("details:not([open])")) fresh.open = false;
    for (const one of fresh.querySelectorAll("details[data-name]")) one.open = !folded.has(one.dataset.name);
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const place = focused && placeOf(focused);
    const number = focused && focused.getAttribute("aria-valuenow");
    const before = new Map([...old.querySelectorAll("li.row")].map((row) => [linkOf(row), row.className]));
    for (const row of fresh.querySelectorAll("li.row")) {
      const former = before.get(linkOf(row));
      if (former && !former.startsWith(row.className)) row.classList.add("changed");
    }
    old.replaceWith(fresh);
    if (!focused) return;
    const again = [...fresh.querySelectorAll(focused.localName)].find((one) => placeOf(one) === place);
    if (!again) return;
    if (number) again.setAttribute("aria-valuenow", number);
    again.focus({ preventScroll: true });
  }

  // Collapsed details stay so on the next page, and the address has only fields with a value.
  const folded = new Set(JSON.parse(sessionStorage.getItem("folded") ?? "[]"));
  for (const one of document.querySelectorAll("details[data-name]")) if (folded.has(one.dataset.name)) one.open = false;
  document.addEventListener("toggle", ({ target }) => {
    if (target.dataset.name === undefined || target.matches(".more")) return;
    folded[target.open ? "delete" : "add"](target.dataset.name);
    sessionStorage.setItem("folded", JSON.stringify([...folded]));
  }, true);
  document.addEventListener("formdata", ({ formData }) => {
    for (const [name, value] of [...formData]) if (!value) formData.delete(name);
  });

  const partsOf = (page) => [...page.querySelectorAll("[data-live], .notice")].map((one) => one.id).join(" ");
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
        if (!answer.ok) throw new Error(answer.statusText);
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        prepare(page);
        announce(page);
        // If parts have appeared or disappeared, as when the history can be read again, the whole page is replaced.
        const whole = partsOf(page) === partsOf(document) ? "[data-live]" : "main, #icon, #as-of-now";
        for (const old of document.querySelectorAll(whole)) {
          const fresh = page.getElementById(old.id);
          if (fresh && fresh.outerHTML !== old.outerHTML) swap(old, document.importNode(fresh, true));
        }
        document.title = page.title;
        if (page.querySelector(".notice")) setTimeout(refresh, AGAIN_MS);
      } catch {
        tell(false);
      }
      await new Promise((done) => setTimeout(done, PAUSE_MS));
    }
    isFetching = false;
  }

  prepare(document);
  if (!document.querySelector("main [data-live]")) return;
  // For screen readers: announces when the first sentence has changed, without its duration.
  const news = document.createElement("p");
  news.className = "unseen";
  news.setAttribute("role", "status");
  asof.append(news);
  const sentenceOf = (page) => page.querySelector("#verdict h2")?.textContent.replace(/ for .*/, "") ?? "";
  function announce(page) {
    const sentence = sentenceOf(page);
    if (sentence !== sentenceOf(document)) news.textContent = sentence;
  }
  const label = document.createElement("b");
  asof.prepend(label, " · ");
  function tell(isLive) {
    asof.classList.toggle("stale", !isLive);
    label.textContent = isLive ? "live" : "cut off";
  }
  tell(false);

  let events;
  let heardAt = 0;
  function listen() {
    if (events) events.close();
    heardAt = Date.now();
    const hear = (isChange) => {
      heardAt = Date.now();
      tell(true);
      if (isChange) refresh();
    };
    events = new EventSource(`${root}/events`);
    events.addEventListener("open", () => hear(false));
    events.addEventListener("beat", () => hear(false));
    events.addEventListener("change", () => hear(true));
    events.addEventListener("error", () => tell(false));
  }
  if (!document.hidden) listen();
  // A browser stops reconnecting after an error response, and does not notice a dead connection.
  setInterval(() => {
    if (document.hidden) return;
    const isDead = Date.now() - heardAt > SILENCE_MS;
    if (isDead) tell(false);
    if (isDead || events?.readyState === EventSource.CLOSED) listen();
  }, AGAIN_MS);
  setInterval(() => document.hidden || refresh(), REFRESH_MS);
  addEventListener("online", listen);
  // A browser has six connections to one host for all its tabs: hidden tabs hold none.
  document.addEventListener("visibilitychange", () => (document.hidden ? events?.close() : listen()));
  // Between two fetches, advance the time of the next check.
  setInterval(() => {
    for (const time of document.querySelectorAll("time[data-every]")) {
      const every = Number(time.dataset.every) * 1000;
      const late = Date.now() - Date.parse(time.dateTime);
      if (late > 0) time.textContent = written(Date.parse(time.dateTime) + Math.ceil(late / every) * every, "time");
    }
  }, 1000);
})();
