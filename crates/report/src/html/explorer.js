// A set lights up when its button or its pixels are pointed at or focused; a cell of a matrix lights
// its two segments. A click keeps them lit.
for (const explorer of document.querySelectorAll(".explorer")) {
  const buttons = [...explorer.querySelectorAll(".sets button")];
  const cells = [...explorer.querySelectorAll(".matrix button")];
  const reading = explorer.querySelector(".reading");
  const idle = reading?.textContent;
  const picture = explorer.querySelector(".picture");
  const sets = (part) => part.dataset.lights ?? part.dataset.set;
  let kept = null;
  const light = (lit) => {
    explorer.classList.toggle("lit", lit !== null);
    const on = lit === null ? [] : lit.split(" ");
    for (const part of explorer.querySelectorAll("[data-set]")) {
      part.classList.toggle("on", on.includes(part.dataset.set));
    }
    if (reading === null) return;
    const cell = cells.find((c) => c.dataset.lights === lit);
    reading.textContent = cell ? cell.textContent : idle;
  };
  const keep = (lit) => {
    kept = lit;
    [...buttons, ...cells].forEach((b) => b.setAttribute("aria-pressed", String(sets(b) === kept)));
    light(kept);
  };
  const toggle = (lit) => keep(lit === kept ? null : lit);
  const lights = (button) => {
    button.addEventListener("pointerenter", () => light(sets(button)));
    button.addEventListener("pointerleave", () => light(kept));
    button.addEventListener("focus", () => light(sets(button)));
    button.addEventListener("blur", () => light(kept));
    button.addEventListener("click", () => toggle(sets(button)));
  };
  const moves = (button, to) => button.addEventListener("keydown", (event) => {
    const next = to(event.key);
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  });
  buttons.forEach((button, index) => {
    const last = buttons.length - 1;
    lights(button);
    moves(button, (key) => buttons[{
      ArrowDown: Math.min(index + 1, last), ArrowRight: Math.min(index + 1, last),
      ArrowUp: Math.max(index - 1, 0), ArrowLeft: Math.max(index - 1, 0), Home: 0, End: last,
    }[key]]);
  });
  // One cell at a time can be reached by Tab, the others from there.
  cells.forEach((cell) => {
    const [column, row] = sets(cell).split(" ").map(Number);
    const at = (c, r) => cells.find((other) => sets(other) === `${c} ${r}`);
    lights(cell);
    moves(cell, (key) => ({
      ArrowLeft: at(column - 1, row), ArrowRight: at(column + 1, row),
      ArrowUp: at(column, row - 1), ArrowDown: at(column, row + 1),
      Home: cells[0], End: cells[cells.length - 1],
    }[key]));
    cell.addEventListener("focus", () => cells.forEach((c) => { c.tabIndex = c === cell ? 0 : -1; }));
  });
  const pointed = (event) => event.target.closest("[data-set]")?.dataset.set ?? null;
  picture.addEventListener("pointerover", (event) => light(pointed(event) ?? kept));
  picture.addEventListener("pointerleave", () => light(kept));
  picture.addEventListener("click", (event) => toggle(pointed(event) ?? kept));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") keep(null);
  });
  light(null);
}
