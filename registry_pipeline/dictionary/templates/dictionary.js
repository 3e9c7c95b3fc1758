"use strict";
// Shows only the columns, tables and lists that hold every word that was typed.
(() => {
  const form = document.querySelector(".find");
  const field = document.getElementById("find");
  const found = document.getElementById("found");
  const plain = (element) => element.textContent.toLowerCase();

  const tables = [...document.querySelectorAll("section.entry")].map((section) => ({
    section,
    link: document.querySelector(`nav a[href="#${section.id}"]`).parentElement,
    name: `${plain(section.querySelector("h3"))} ${plain(section.querySelector("dd"))}`, // and what a row is
    rows: [...section.querySelectorAll("tbody tr")].map((row) => ({ row, text: plain(row) })),
  }));
  const lists = [...document.querySelectorAll("section.list, #clinical tbody tr")].map((part) => ({ part, text: plain(part) }));
  const aside = [...document.querySelectorAll("#reading, #versions, section.family")];

  const many = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const holds = (text) => words.every((word) => text.includes(word));
    const touches = (text) => words.some((word) => text.includes(word));
    let columns = 0;
    let shown = 0;
    for (const { section, link, name, rows } of tables) {
      // A table that is itself meant shows all of its columns; else those that are meant ("patient sex" is one column).
      const whole = words.length === 0 || holds(name);
      let kept = 0;
      for (const { row, text } of rows) {
        row.hidden = !whole && !(touches(text) && holds(`${name} ${text}`));
        kept += row.hidden ? 0 : 1;
      }
      section.hidden = kept === 0;
      link.hidden = kept === 0;
      columns += kept;
      shown += kept === 0 ? 0 : 1;
    }
    let listed = 0;
    for (const { part, text } of lists) {
      part.hidden = words.length > 0 && !holds(text);
      listed += part.hidden ? 0 : 1;
    }
    for (const part of document.querySelectorAll("#lists, #clinical")) {
      part.hidden = ![...part.querySelectorAll("section.list, tbody tr")].some((one) => !one.hidden);
    }
    for (const part of aside) part.hidden = words.length > 0;
    found.textContent = words.length === 0 ? "" : `${many(columns, "column")} of ${many(shown, "table")}, ${many(listed, "list")}`;
  };

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  field.addEventListener("input", show);
  // Who follows a link to what is hidden wants to see it.
  window.addEventListener("hashchange", () => {
    const meant = document.getElementById(location.hash.slice(1));
    if (!meant?.closest("[hidden]")) return;
    field.value = "";
    show();
    meant.scrollIntoView();
  });
})();
