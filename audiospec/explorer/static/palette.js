// Colours and shapes of classes: told apart without colour up to ten, and by both up to forty.

"use strict";

{
  const { drawing } = Explorer;

  /** Eight colours after Okabe and Ito (2008), with a contrast of 3 to 1 or more to the page. */
  const LIGHT = ["#0072b2", "#b85c00", "#007a5e", "#b0437f", "#7a6a00", "#2f6fd0", "#c0392b", "#4d4d4d"];
  const DARK = ["#56b4e9", "#e69f00", "#2fc79b", "#e48fc0", "#f0e442", "#9db8ff", "#ff8370", "#d0d0d0"];

  /** Polygons around 0, 0 of about the same area; null is a circle. */
  const SHAPES = [
    null,
    [
      [-0.9, -0.9],
      [0.9, -0.9],
      [0.9, 0.9],
      [-0.9, 0.9],
    ],
    [
      [0, -1.25],
      [1.15, 0.8],
      [-1.15, 0.8],
    ],
    [
      [0, -1.3],
      [1.05, 0],
      [0, 1.3],
      [-1.05, 0],
    ],
    [
      [-0.4, -1.2],
      [0.4, -1.2],
      [0.4, -0.4],
      [1.2, -0.4],
      [1.2, 0.4],
      [0.4, 0.4],
      [0.4, 1.2],
      [-0.4, 1.2],
      [-0.4, 0.4],
      [-1.2, 0.4],
      [-1.2, -0.4],
      [-0.4, -0.4],
    ],
    [
      [0, 1.25],
      [1.15, -0.8],
      [-1.15, -0.8],
    ],
    [
      [-1.2, -0.45],
      [1.2, -0.45],
      [1.2, 0.45],
      [-1.2, 0.45],
    ],
    [
      [-0.45, -1.2],
      [0.45, -1.2],
      [0.45, 1.2],
      [-0.45, 1.2],
    ],
    star(5, 1.35, 0.6),
    star(3, 1.1, 1.1),
  ];

  function star(points, outer, inner) {
    return Array.from({ length: 2 * points }, (_, at) => {
      const angle = (Math.PI * at) / points - Math.PI / 2;
      const radius = at % 2 ? inner : outer;
      return [radius * Math.cos(angle), radius * Math.sin(angle)];
    });
  }

  function colour(at, dark) {
    const colours = dark ? DARK : LIGHT;
    return colours[at % colours.length];
  }

  /** Add the mark of a class to a path. */
  function mark(path, at, x, y, size) {
    const shape = SHAPES[at % SHAPES.length];
    if (shape === null) {
      path.moveTo(x + size, y);
      path.arc(x, y, size, 0, 2 * Math.PI);
      return;
    }
    shape.forEach(([across, down], index) => {
      if (index) path.lineTo(x + size * across, y + size * down);
      else path.moveTo(x + size * across, y + size * down);
    });
    path.closePath();
  }

  /** Return the mark of a class as a small drawing. */
  function sample(at, dark) {
    const shape = SHAPES[at % SHAPES.length];
    const d =
      shape === null
        ? "M6 0A6 6 0 1 1 -6 0A6 6 0 1 1 6 0Z"
        : `M${shape.map(([x, y]) => `${6 * x} ${6 * y}`).join("L")}Z`;
    return drawing(
      "svg",
      { viewBox: "-9 -9 18 18", width: 14, height: 14, "aria-hidden": "true" },
      drawing("path", { d, fill: colour(at, dark) }),
    );
  }

  Object.assign(Explorer, { colour, mark, sample });
}
