// Shortcuts of one key, and the dialog that lists them.

"use strict";

{
  const { button, element } = Explorer;

  const HELP = [
    ["j, k", "next, previous track of the table"],
    ["e", "next wrong prediction"],
    ["Space", "play or pause"],
    ["[, ]", "previous, next chunk"],
    ["b", "switch between duplicates (A/B), at the same time"],
    ["a", "accept the label as it is"],
    ["c", "choose another label: type, arrows, Enter"],
    ["x", "exclude the track from training"],
    ["u", "take the decision back"],
    ["Esc", "close the track"],
    ["/", "search for a track"],
    ["?", "this list"],
    ["Arrows, Page Up, Page Down, Home, End", "move in the table"],
    ["Enter", "open the track of a row"],
  ];

  /** Whether keys are typed into this element. */
  function typing(node) {
    return node.matches("input:not([type=checkbox], [type=range]), select, textarea, [contenteditable]");
  }

  /** Whether the space bar presses this element. */
  function pressed(node) {
    return node.matches("button, summary, a, input");
  }

  /** Call `actions[key]` for keys pressed outside of text fields and dialogs. */
  function listen(actions) {
    document.addEventListener("keydown", (event) => {
      if (
        event.defaultPrevented ||
        event.ctrlKey ||
        event.altKey ||
        event.metaKey ||
        (event.repeat && event.key !== "j" && event.key !== "k")
      )
        return;
      if (document.querySelector("dialog[open]") || typing(event.target)) return;
      if (event.key === " " && pressed(event.target)) return;
      const action = actions[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    });
  }

  /** Return a dialog that lists the keys. */
  function help() {
    const rows = HELP.map(([keys, text]) =>
      element("tr", {}, element("th", { scope: "row" }, element("kbd", {}, keys)), element("td", {}, text)),
    );
    const dialog = element(
      "dialog",
      { "aria-labelledby": "help-title" },
      element("h2", { id: "help-title" }, "Keys"),
      element("p", { class: "quiet" }, "They work outside of text fields. Each has a button, too."),
      element("table", {}, element("tbody", {}, rows)),
      button("Close", () => dialog.close()),
    );
    return dialog;
  }

  Object.assign(Explorer, { help, listen });
}
