for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("th").forEach((th, column) => {
    if (!th.textContent.trim()) return;
    const button = document.createElement("button");
    button.textContent = th.textContent; th.replaceChildren(button);
    button.onclick = () => {
      const up = th.getAttribute("aria-sort") !== "ascending", body = table.tBodies[0];
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      th.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
      const known = (text) => text !== "" && text !== "–";
      [...body.rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        if (known(x) !== known(y)) return known(x) ? -1 : 1;
        const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
        return up ? order : -order;
      }).forEach((row) => body.append(row));
    };
  });
}
for (const label of document.querySelectorAll(".search")) {
  const rows = [...label.nextElementSibling.querySelectorAll("tbody tr")];
  label.hidden = false;
  label.querySelector("input").oninput = ({ target }) => {
    const words = target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
  };
}
