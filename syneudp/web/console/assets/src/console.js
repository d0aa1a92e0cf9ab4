(() => {
  const microsPerUnit = 1_000_000;
  const secondsPerHour = 3600;
  const speechPauseMilliseconds = 10_000;
  const copiedMilliseconds = 2_000;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const writing = document.documentElement.dataset;
  const readings = new WeakMap();

  function reading(element) {
    const known = readings.get(element);
    if (known && known.stamp === element.dataset.stamp && known.value === element.getAttribute("value")) {
      return known;
    }
    const fresh = {
      stamp: element.dataset.stamp,
      value: element.getAttribute("value"),
      since: performance.now(),
    };
    readings.set(element, fresh);
    return fresh;
  }

  function elapsedSeconds(element) {
    const elapsed = Math.floor((performance.now() - reading(element).since) / 1000);
    const limit = element.dataset.secondsLeft;
    return limit === undefined ? elapsed : Math.min(elapsed, Number(limit));
  }

  function writtenMicros(micros) {
    const whole = String(Math.floor(micros / microsPerUnit)).replace(/\B(?=(\d{3})+(?!\d))/g, writing.group);
    const rest = String(micros % microsPerUnit).padStart(6, "0");
    return [`${writing.before}${whole}${writing.decimal}${rest.slice(0, 2)}`, rest.slice(2)];
  }

  function tickMoney(element) {
    const price = Number(element.dataset.price);
    const start = Number(element.getAttribute("value"));
    const moved = Math.floor((price * elapsedSeconds(element)) / secondsPerHour);
    if (price === 0 || start < 0) {
      return;
    }
    const micros = "falling" in element.dataset ? Math.max(start - moved, 0) : start + moved;
    const [head, tail] = writtenMicros(micros);
    const [headElement, tailElement] = element.children;
    headElement.textContent = head;
    tailElement.textContent = tail;
  }

  function writtenDuration(seconds) {
    const pieces = [
      [Math.floor(seconds / 86_400), "d"],
      [Math.floor(seconds / 3600) % 24, "h"],
      [Math.floor(seconds / 60) % 60, "min"],
      [seconds % 60, "s"],
    ];
    const first = pieces.findIndex(([count]) => count > 0);
    const shown = first < 0 ? pieces.slice(-1) : pieces.slice(first, first + 2).filter(([count]) => count > 0);
    return shown.map(([count, unit]) => `${count}\u00a0${unit}`).join(" ");
  }

  function tickRunway(element) {
    const total = Number(element.dataset.seconds);
    if (total < 365 * 86_400) {
      element.textContent = writtenDuration(Math.max(total - elapsedSeconds(element), 0));
    }
  }

  function tickRuler(ruler) {
    const second = new Date().getSeconds();
    ruler.querySelectorAll("line").forEach((line, place) => line.classList.toggle("ruler-past", place <= second));
  }

  function tick() {
    document.querySelectorAll(".ticker").forEach(tickMoney);
    document.querySelectorAll(".runway").forEach(tickRunway);
    document.querySelectorAll("[data-ruler='live']").forEach(tickRuler);
  }

  function localInstant(iso) {
    return new Date(iso).toLocaleString(navigator.language, { dateStyle: "medium", timeStyle: "medium" });
  }

  function writeLocalTimes() {
    document.querySelectorAll("time[data-local]").forEach((element) => {
      element.title = `${localInstant(element.dateTime)} local time`;
    });
    document.querySelectorAll("[data-local-of]").forEach((element) => {
      element.textContent = `${localInstant(element.dataset.localOf)} local time`;
    });
  }

  let spokenAt = -speechPauseMilliseconds;
  let spokenText = null;
  let speechTimer = null;

  function speak() {
    const source = document.querySelector("[data-speak]");
    const voice = document.getElementById("spoken");
    if (!source || !voice || speechTimer) {
      return;
    }
    const text = source.textContent.replace(/\s+/g, " ").trim();
    if (spokenText === null) {
      spokenText = text;
    }
    if (text === spokenText) {
      return;
    }
    const wait = Math.max(spokenAt + speechPauseMilliseconds - performance.now(), 0);
    speechTimer = setTimeout(() => {
      speechTimer = null;
      const latest = document.querySelector("[data-speak]");
      spokenText = (latest ?? source).textContent.replace(/\s+/g, " ").trim();
      spokenAt = performance.now();
      voice.textContent = spokenText;
    }, wait);
  }

  function summarisePlan() {
    const summary = document.querySelector("[data-plan-summary]");
    const engine = document.querySelector("[data-engine]:checked");
    const plan = engine && document.querySelector(`[data-plans="${engine.value}"] [data-summary]:checked`);
    if (summary && plan) {
      summary.textContent = plan.dataset.summary;
    }
  }

  function followAddress() {
    const page = document.querySelector("[data-address]");
    if (page) {
      history.replaceState(null, "", page.dataset.address);
    } else if (new URLSearchParams(location.search).has("done")) {
      history.replaceState(null, "", location.pathname + location.hash);
    }
  }

  let followed = false;

  function followOnce() {
    const form = document.querySelector("form[data-once]");
    if (form && !followed) {
      followed = true;
      form.requestSubmit();
    }
  }

  function settle() {
    writeLocalTimes();
    tick();
    speak();
    followOnce();
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    const label = button.querySelector("[data-copy-label]");
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      label.textContent = "Copied";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      label.textContent = "Selected";
    }
    document.getElementById("spoken").textContent = label.textContent;
    setTimeout(() => {
      label.textContent = "Copy";
    }, copiedMilliseconds);
  }

  async function openDialog(link) {
    const dialog = document.getElementById("dialog");
    const answer = await fetch(link.href, { headers: { "HX-Request": "true", "HX-Target": "dialog#dialog" } });
    if (!answer.ok || answer.redirected) {
      location.assign(link.href);
      return;
    }
    dialog.innerHTML = await answer.text();
    dialog.showModal();
    (dialog.querySelector("input:not([type=hidden])") ?? dialog.querySelector("[data-dialog-close]"))?.focus();
  }

  document.addEventListener("click", (event) => {
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    const button = event.target.closest("[data-copy]");
    const opener = event.target.closest("a[data-dialog]");
    const closer = event.target.closest("dialog [data-dialog-close]");
    if (button) {
      copy(button);
    } else if (event.target.closest("[data-print]")) {
      print();
    } else if (closer) {
      event.preventDefault();
      closer.closest("dialog").close();
    } else if (opener && plain) {
      event.preventDefault();
      openDialog(opener).catch(() => location.assign(opener.href));
    } else if (event.target instanceof HTMLDialogElement) {
      event.target.close();
    }
  });

  document.addEventListener("input", (event) => {
    if (event.target.id === "amount" && event.target.value.trim()) {
      document.querySelectorAll("[name=preset]:checked").forEach((preset) => {
        preset.checked = false;
      });
    }
    if (event.target.name === "preset") {
      document.getElementById("amount").value = "";
    }
  });

  document.addEventListener("submit", (event) => {
    if (event.target.hasAttribute("hx-post")) {
      return;
    }
    if (event.target.dataset.sent) {
      event.preventDefault();
      return;
    }
    event.target.dataset.sent = "yes";
    event.target.querySelectorAll("button[type=submit]").forEach((submit) => submit.setAttribute("aria-busy", "true"));
  });

  addEventListener("pageshow", (event) => {
    if (event.persisted) {
      location.reload();
    }
  });

  document.addEventListener("change", summarisePlan);
  document.addEventListener("htmx:after:swap", settle);
  summarisePlan();
  followAddress();
  settle();
  setInterval(tick, calm.matches ? speechPauseMilliseconds : 1000);
})();
