// What the page shows. It is kept in the hash of the address, so that reload, back and links restore it.

"use strict";

{
  /** Each key of the address, with the value that is left out of it. */
  const DEFAULTS = Object.freeze({
    panel: "tracks",
    run: "",
    view: "",
    sort: "",
    descending: "",
    query: "",
    label: "",
    side: "",
    finding: "",
    predicted: "",
    error: "",
    corrected: "",
    column: "",
    method: "pca",
    track: "",
    at: "",
    chunk: "",
  });

  /** Keys that choose which tracks the table lists, and in which order. */
  const QUERY = [
    "sort",
    "descending",
    "query",
    "label",
    "side",
    "finding",
    "predicted",
    "error",
    "corrected",
  ];
  const FILTERS = QUERY.slice(2);

  const listeners = [];
  let current = read();
  /** Returns a state with what it lacks. */
  let complete = (given) => given;

  function read() {
    const given = new URLSearchParams(location.hash.slice(1));
    return Object.fromEntries(
      Object.entries(DEFAULTS).map(([name, value]) => [name, given.get(name) ?? value]),
    );
  }

  function address(state) {
    const given = new URLSearchParams();
    for (const [name, value] of Object.entries(state)) if (value !== DEFAULTS[name]) given.set(name, value);
    return `#${given}`;
  }

  function become(next) {
    const changed = new Set(Object.keys(DEFAULTS).filter((name) => next[name] !== current[name]));
    current = next;
    if (changed.size) for (const listener of listeners) listener(current, changed);
  }

  /** Return the state; it is not to be changed. */
  function state() {
    return current;
  }

  /** Change keys of the state. `step` adds an entry to the history, which the button Back returns from. */
  function change(values, { step = false } = {}) {
    const texts = Object.entries(values).map(([name, value]) => [name, String(value ?? "")]);
    const next = complete({ ...current, ...Object.fromEntries(texts) });
    if (address(next) !== address(current)) {
      if (step) history.pushState(null, "", address(next));
      else history.replaceState(null, "", address(next));
    }
    become(next);
  }

  /** Return values that clear all filters. */
  function cleared() {
    return Object.fromEntries(FILTERS.map((name) => [name, ""]));
  }

  /** Have `missing(state)` name the values that a state lacks, such as that of an address without a run. */
  function complement(missing) {
    complete = (given) => ({ ...given, ...missing(given) });
    change({});
  }

  /** Call `listener(state, changed keys)` after each change. */
  function watch(listener) {
    listeners.push(listener);
  }

  addEventListener("popstate", () => become(complete(read())));
  addEventListener("hashchange", () => become(complete(read())));

  Object.assign(Explorer, { FILTERS, QUERY, change, cleared, complement, state, watch });
}
