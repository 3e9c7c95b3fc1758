"use strict";
// Draws the charts, one after the other so that the page answers meanwhile; switches the theme; sorts tables.
(() => {
  const root = document.documentElement;
  const drawings = [...document.querySelectorAll(".drawing")];
  let drawn = 0;

  const options = {
    mode: "vega-lite",
    renderer: "svg",
    actions: false,
    ast: true, // expressions are interpreted: the page's policy lets no text become code
    defaultStyle: false,
    tooltip: { disableDefaultStyle: true },
    loader: { load: () => Promise.reject(new Error("This page loads nothing.")) },
    formatLocale: { decimal: ".", thousands: ",", grouping: [3], currency: ["£", ""], minus: "−" },
  };

  const draw = async (drawing) => {
    try {
      await window.vegaEmbed(drawing, JSON.parse(drawing.nextElementSibling.textContent), options);
      drawing.querySelectorAll("svg").forEach((svg) => {
        svg.setAttribute("aria-hidden", "true"); // the place around it says in words what is to be seen
        svg.setAttribute("focusable", "false");
      });
      drawing.removeAttribute("aria-roledescription");
      drawing.setAttribute("role", "img");
    } catch (problem) {
      drawing.textContent = "This chart could not be drawn; its figures are below.";
      console.error(problem);
    }
    drawn += 1;
    root.dataset.drawn = String(drawn);
  };

  const drawAll = async () => {
    for (const drawing of drawings) {
      await draw(drawing);
      await new Promise((go) => setTimeout(go));
    }
    root.dataset.charts = "drawn";
  };

  const dark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = document.getElementById("theme");
  const tell = () => theme.setAttribute("aria-pressed", String(dark()));
  theme.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    tell();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
  document.getElementById("print").addEventListener("click", () => window.print());
  document.querySelector(".tools").hidden = false;
  tell();

  // Only what scrolls needs a stop of the keyboard.
  const watch = new ResizeObserver((seen) =>
    seen.forEach(({ target }) => {
      const cut = target.scrollWidth > target.clientWidth;
      target.classList.toggle("cut", cut);
      if (cut || target.scrollHeight > target.clientHeight) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }),
  );
  document.querySelectorAll(".scroll").forEach((box) => watch.observe(box));

  // The contents tell where one is.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const reading = new IntersectionObserver(
    (seen) =>
      seen.filter((each) => each.isIntersecting).forEach(({ target }) => {
        links.forEach((link) => link.removeAttribute("aria-current"));
        links.get(target.id)?.setAttribute("aria-current", "true");
      }),
    { rootMargin: "-20% 0px -75% 0px" },
  );
  document.querySelectorAll(".part").forEach((part) => reading.observe(part));

  const compare = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    if (a === "" || b === "") return (a !== "") - (b !== "");
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en-GB", { numeric: true }) : x - y;
  };

  const sort = (table, column, heading) => {
    const down = heading.getAttribute("aria-sort") === "ascending";
    const rows = [...table.tBodies[0].rows];
    const key = (row) => row.cells[column].dataset.key;
    rows.sort((a, b) => (down ? -1 : 1) * compare(key(a), key(b)));
    table.tBodies[0].append(...rows);
    table.querySelectorAll("[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  };

  document.querySelectorAll("table[data-sorts]").forEach((table) => {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sort(table, column, heading));
      heading.append(button);
    });
  });

  drawAll();
})();
