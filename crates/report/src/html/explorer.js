// A set lights up when its button or its pixels are pointed at or focused. A click keeps it lit.
for (const explorer of document.querySelectorAll(".explorer")) {
  const buttons = [...explorer.querySelectorAll(".sets button")];
  const picture = explorer.querySelector(".picture");
  let kept = null;
  const light = (set) => {
    explorer.classList.toggle("lit", set !== null);
    for (const part of explorer.querySelectorAll("[data-set]")) {
      part.classList.toggle("on", part.dataset.set === set);
    }
  };
  const keep = (set) => {
    kept = set;
    buttons.forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.set === kept)));
    light(kept);
  };
  const toggle = (set) => keep(set === kept ? null : set);
  buttons.forEach((button, index) => {
    const set = button.dataset.set;
    button.addEventListener("pointerenter", () => light(set));
    button.addEventListener("pointerleave", () => light(kept));
    button.addEventListener("focus", () => light(set));
    button.addEventListener("blur", () => light(kept));
    button.addEventListener("click", () => toggle(set));
    button.addEventListener("keydown", (event) => {
      const last = buttons.length - 1;
      const to = {
        ArrowDown: Math.min(index + 1, last), ArrowRight: Math.min(index + 1, last),
        ArrowUp: Math.max(index - 1, 0), ArrowLeft: Math.max(index - 1, 0), Home: 0, End: last,
      }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      buttons[to].focus();
    });
  });
  const pointed = (event) => event.target.closest("[data-set]")?.dataset.set ?? null;
  picture.addEventListener("pointerover", (event) => light(pointed(event) ?? kept));
  picture.addEventListener("pointerleave", () => light(kept));
  picture.addEventListener("click", (event) => toggle(pointed(event) ?? kept));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") keep(null);
  });
}
