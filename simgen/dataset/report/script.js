// The page reads without this: what it adds is the moving line between start and end, filters, and "for all".
"use strict";
(() => {
  document.documentElement.classList.add("js");
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const cards = all(".card");

  function cut(compare, percent) {
    const value = Math.min(100, Math.max(0, percent));
    const input = compare.querySelector("input");
    compare.style.setProperty("--cut", value + "%");
    input.value = value;
    input.setAttribute("aria-valuetext", Math.round(value) + " % start, " + Math.round(100 - value) + " % end");
  }

  for (const compare of all(".compare:has(input)")) {
    const follow = (event) => {
      const box = compare.getBoundingClientRect();
      cut(compare, (100 * (event.clientX - box.left)) / box.width);
    };
    let held = null;  // Where a finger came down, until it has moved sideways: it may be about to scroll.
    compare.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.target.closest("button")) return;
      compare.setPointerCapture(event.pointerId);
      compare.querySelector("input").focus({ preventScroll: true });
      held = event.pointerType === "mouse" ? null : event.clientX;
      if (held === null) follow(event);
      event.preventDefault();
    });
    compare.addEventListener("pointermove", (event) => {
      if (!compare.hasPointerCapture(event.pointerId)) return;
      if (held !== null && Math.abs(event.clientX - held) > 6) held = null;
      if (held === null) follow(event);
    });
    compare.addEventListener("click", (event) => {
      if (event.target.closest(".to-start")) cut(compare, 100);
      else if (event.target.closest(".to-end")) cut(compare, 0);
      else if (event.detail) follow(event);
    });
    compare.querySelector("input").addEventListener("input", (event) => cut(compare, +event.target.value));
  }

  const wanted = { scene: "", split: "", outcome: "" };
  function filter() {
    let shown = 0;
    for (const card of cards) {
      const fits = Object.entries(wanted).every(
        ([name, value]) => !value || card.dataset[name].split(" ").includes(value));
      card.hidden = !fits;
      shown += fits;
    }
    const count = document.querySelector("#shown");
    if (count) count.textContent = shown + " of " + cards.length + " shown";
    const none = document.querySelector("#none");
    if (none) none.hidden = shown > 0 || cards.length === 0;
    const lost = document.querySelector("#quarantine");
    if (lost) lost.hidden = !lost.querySelector(".card:not([hidden])");
  }
  for (const select of all("select[data-filter]")) {
    const read = () => { wanted[select.dataset.filter] = select.value; filter(); };
    select.addEventListener("change", read);
    read();  // A browser that comes back to the page keeps the choice.
  }
  for (const button of all("[data-reset]")) {
    button.addEventListener("click", () => {
      for (const select of all("select[data-filter]")) { select.value = ""; wanted[select.dataset.filter] = ""; }
      filter();
    });
  }

  for (const radio of all("input[data-for-all]")) {
    radio.addEventListener("change", () => {
      for (const one of all(radio.dataset.forAll + ' input[value="' + radio.value + '"]')) one.checked = true;
    });
  }

  function open() {
    const card = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const details = card && card.querySelector("details");
    if (!details) return;
    if (card.hidden) all("[data-reset]").forEach((button) => button.click());
    details.open = true;
    card.scrollIntoView();
  }
  addEventListener("hashchange", open);
  open();
})();
