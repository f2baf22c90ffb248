// Search, kind and order of the price table, without asking the server; the URL keeps them.
export function enhancePrices(section) {
  const form = section.querySelector("form");
  const body = section.querySelector("tbody");
  const rows = [...body.rows];
  const headings = [...section.querySelectorAll("th[data-sort]")];

  function show() {
    const words = form.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.dataset.text.toLowerCase();
      const fits = (!form.kind.value || row.dataset.kind === form.kind.value) && words.every((w) => text.includes(w));
      row.hidden = !fits;
      count += fits;
    }
    section.querySelector("[data-count]").textContent = `${count} of ${rows.length} models`;
    section.querySelector("[data-none]").hidden = count > 0;
  }

  function order() {
    const column = form.sort.value.replace("-", "");
    const down = form.sort.value.startsWith("-");
    rows.sort((a, b) => compare(a.dataset[column], b.dataset[column], column === "name", down));
    body.append(...rows);
    for (const heading of headings) {
      if (heading.dataset.sort === column) heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
    }
  }

  function remember() {
    const query = new URLSearchParams();
    for (const name of ["q", "kind"]) if (form[name].value) query.set(name, form[name].value);
    if (form.sort.value !== "name") query.set("sort", form.sort.value);
    history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
  }

  for (const heading of headings) {
    heading.querySelector("a").addEventListener("click", (event) => {
      event.preventDefault();
      const column = heading.dataset.sort;
      form.sort.value = form.sort.value === column ? `-${column}` : column;
      order();
      remember();
    });
  }
  form.addEventListener("input", () => { show(); order(); remember(); });
  form.addEventListener("submit", (event) => event.preventDefault());
}

// Rows without a value come last either way.
function compare(a, b, isText, down) {
  const sign = down ? -1 : 1;
  if (isText) return sign * a.localeCompare(b);
  const [x, y] = [Number(a), Number(b)];
  const [noX, noY] = [a === "", b === ""];
  return noX || noY ? noX - noY : sign * (x - y);
}
