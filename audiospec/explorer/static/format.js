// Numbers and times as text.

"use strict";

{
  const WHOLE = new Intl.NumberFormat("en");

  /** "1 track", "1,200 tracks". */
  function count(number, noun) {
    return `${WHOLE.format(number)} ${noun}${number === 1 ? "" : "s"}`;
  }

  function whole(number) {
    return WHOLE.format(number);
  }

  /** A number with three digits; "" if there is none. */
  function number(value) {
    if (value === null || value === undefined || value === "") return "";
    if (typeof value !== "number") return String(value);
    if (Number.isInteger(value) && Math.abs(value) < 1e6) return WHOLE.format(value);
    const size = Math.abs(value);
    if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(1);
    return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
  }

  /** A share as a percentage: "97.3 %"; "" if there is none. */
  function percent(share) {
    if (share === null || share === undefined) return "";
    return `${(100 * share).toFixed(1)} %`;
  }

  /** A time in a track: "3.2 s", "2:03.5". */
  function time(seconds) {
    if (!Number.isFinite(seconds)) return "";
    const tenths = Math.round(10 * seconds);
    if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
    const minutes = Math.floor(tenths / 600);
    return `${minutes}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
  }

  /** The value of a column of quality, with its unit. */
  function quantity(value, unit) {
    if (value === null || value === undefined || value === "") return "unknown";
    if (unit === "share") return percent(value);
    return `${number(value)}${unit ? ` ${unit}` : ""}`;
  }

  /** Four to eight round numbers within a range. */
  function ticks(low, high, most = 6) {
    if (!(high > low)) return [low];
    const raw = (high - low) / most;
    const unit = 10 ** Math.floor(Math.log10(raw));
    const step = unit * [1, 2, 5, 10].find((factor) => unit * factor >= raw * 0.999);
    const marks = [];
    for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) {
      marks.push(Number((at * step).toPrecision(12)));
    }
    return marks;
  }

  Object.assign(Explorer, { count, number, percent, quantity, ticks, time, whole });
}
