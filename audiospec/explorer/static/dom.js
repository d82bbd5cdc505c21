// Make elements. Text from the store reaches the page as text nodes and attribute values only.
//
// The scripts of this page are classic ones, as browsers refuse modules and requests to a page that is opened
// from a disk, which a static copy is. Each adds its public names to `Explorer`; index.html lists them in order.

"use strict";

const Explorer = {};

{
  const SVG = "http://www.w3.org/2000/svg";

  function filled(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "on") {
        for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
      } else if (value !== null && value !== undefined && value !== false) {
        node.setAttribute(name, value === true ? "" : String(value));
      }
    }
    node.append(
      ...children.flat().filter((child) => child !== null && child !== undefined && child !== false),
    );
    return node;
  }

  /** Return an element. `on` names listeners; attributes that are null, undefined or false are left out. */
  function element(tag, attributes = {}, ...children) {
    return filled(document.createElement(tag), attributes, children);
  }

  /** Return an element of a drawing. */
  function drawing(tag, attributes = {}, ...children) {
    return filled(document.createElementNS(SVG, tag), attributes, children);
  }

  /** Return a button with a visible name. */
  function button(text, click, attributes = {}) {
    const children = Array.isArray(text) ? text : [text];
    return element("button", { type: "button", ...attributes, on: { click } }, ...children);
  }

  /** Return text with control characters escaped, as the command line prints it. */
  function printable(text) {
    return String(text ?? "").replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) => {
      const code = character.codePointAt(0);
      const short = { 9: "\\t", 10: "\\n", 13: "\\r" }[code];
      return short ?? (code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`);
    });
  }

  /** Return text from the store as an element that its direction of writing does not leave. */
  function foreign(text, attributes = {}) {
    return element("bdi", attributes, printable(text));
  }

  /** Replace the children of a node. */
  function fill(node, ...children) {
    node.replaceChildren(
      ...children.flat().filter((child) => child !== null && child !== undefined && child !== false),
    );
  }

  /** Have screen readers say a text. */
  function announce(text) {
    document.getElementById("live").textContent = text;
  }

  /** A request that failed: what happened, what to do, and what the server sent with it. */
  class Failure extends Error {
    constructor(message, hint = "", status = 0, body = null) {
      super(message);
      Object.assign(this, { hint, status, body });
    }
  }

  /** Return a paragraph that says what failed and what to do. */
  function failure(error) {
    const hint = error.hint ? `: ${error.hint}` : "";
    return element("p", { class: "warn", role: "alert" }, printable(`${error.message}${hint}`));
  }

  Object.assign(Explorer, { Failure, announce, button, drawing, element, failure, fill, foreign, printable });
}
