// Arcs from each token to those it rests on, over places of words that wrap: which to show, their curves and widths.
// Pure: places, arcs and wishes are handed in; knows nothing of the page.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const ROOM = 23; // above a line, for arcs between words of the same line
  const THIN = 0.8;
  const THICK = 4.4;
  const SAME_LINE = 14;
  const CALM = 16; // arcs that the eye still tells apart

  /** How many arcs stand at first: all of few, else about sixteen, whole where several are equally strong. */
  function calmCount(arcs) {
    if (arcs.length <= CALM + 4) return arcs.length;
    let many = CALM;
    while (many < CALM + 4 && arcs[many].weight === arcs[many - 1].weight) many += 1;
    return many;
  }

  /** The strongest `count` of those up to a hop, as a set. arcs: strongest first. */
  const strongest = (arcs, count, hop) => new Set(arcs.filter((arc) => arc.hop <= hop).slice(0, count));

  const middle = (box) => (box.left + box.right) / 2;
  const at = (v) => v.toFixed(1);

  /** One curve from the top of a word to one before it: over the line it shares, else up to that word's foot. */
  function curve(from, to) {
    const [x1, x2] = [middle(from), middle(to)];
    if (Math.abs(from.top - to.top) < SAME_LINE) {
      const rise = Math.min(ROOM, 8 + Math.abs(x1 - x2) * 0.075) * 1.3;
      const [y1, y2] = [from.top + 1, to.top + 1];
      return { d: `M${at(x1)} ${at(y1)}C${at(x1)} ${at(y1 - rise)} ${at(x2)} ${at(y2 - rise)} ${at(x2)} ${at(y2)}`, x: x2, y: y2 };
    }
    const [y1, y2] = [from.top + 1, to.bottom - 1];
    const pull = Math.max(20, (y1 - y2) * 0.52);
    return { d: `M${at(x1)} ${at(y1)}C${at(x1)} ${at(y1 - pull)} ${at(x2)} ${at(y2 + pull)} ${at(x2)} ${at(y2)}`, x: x2, y: y2 };
  }

  /** Thickness of an arc, in pixels: in proportion to its weight. */
  const thickness = (weight, most) => THIN + (THICK - THIN) * Math.min(1, Math.max(0, weight / most));

  /** Every arc whose words have a place: [{arc, d, x, y, width}], weakest first, so that strong ones lie on top. */
  function layout(arcs, places) {
    const most = arcs.reduce((found, arc) => Math.max(found, arc.weight), 1e-9);
    return [...arcs].reverse().filter((arc) => places[arc.from] && places[arc.to]).map((arc) => ({ arc, width: thickness(arc.weight, most), ...curve(places[arc.from], places[arc.to]) }));
  }

  Forklore.chainArcs = { calmCount, strongest, layout, thickness };
})();
