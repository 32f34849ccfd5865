// The keyboard of the chain's text: over tokens, along the chain, hop by hop, and selecting an answer.
// Translates key presses into wishes of the view; typing, modifiers and input methods are left alone.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom } = Forklore;
  const ALONG = "keys: arrows go over tokens, ↓ to what a token rests on, ↑ back, n and p along the chain, [ and ] hop by hop, Shift and arrows select an answer";
  const PLAIN = "keys: arrows go over tokens, Shift and arrows select an answer";

  function go(chain, t) {
    chain.trail = [];
    chain.select(t);
    chain.text.nodes[t]?.scrollIntoView({ block: "nearest" });
  }

  /** Down: to the strongest token that this one rests on; up: back to the one that rests on it. Elsewhere by line. */
  function along(chain, way) {
    const { data, limit, trail, selected: from } = chain;
    if (!data.traced || data.hopOf(from) > limit) return go(chain, chain.text.vertical(from, way));
    const arcs = (way > 0 ? data.restsOn(from) : data.restingOn(from)).filter((arc) => arc.hop <= limit);
    const back = way < 0 && arcs.some((arc) => arc.from === trail.at(-1)) ? trail.pop() : null;
    const next = back ?? (arcs.length ? (way > 0 ? arcs[0].to : arcs[0].from) : null);
    if (next === null) { chain.say(way > 0 ? "It rests on no other token of the chain." : "Nothing in the chain rests on it."); return; }
    if (way > 0) trail.push(from);
    chain.select(next);
    chain.text.nodes[next]?.scrollIntoView({ block: "nearest" });
  }

  /** To the next or previous token of the chain. */
  function jump(chain, way) {
    const shown = chain.data.rows.filter((row) => row.hop <= chain.limit).map((row) => row.t);
    const next = way > 0 ? shown.find((t) => t > chain.selected) : shown.reverse().find((t) => t < chain.selected);
    if (next === undefined) chain.say(way > 0 ? "No token of the chain after this one." : "No token of the chain before this one.");
    else go(chain, next);
  }

  /** One key press in the text of a chain. */
  function key(chain, event) {
    // brackets need AltGr on many keyboards
    if (event.key !== "[" && event.key !== "]" && dom.keyTaken(event)) return;
    const last = chain.data.pieces.length - 1;
    const from = chain.selected;
    const to = { ArrowRight: Math.min(last, from + 1), ArrowLeft: Math.max(0, from - 1), Home: 0, End: last }[event.key];
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    chain.hovered = -1; // where the pointer rests does not matter to who types
    if (event.key === "[" || event.key === "]") chain.hopTo(chain.limit + (event.key === "]" ? 1 : -1));
    else if (event.shiftKey && (to !== undefined || way)) chain.extend(to ?? chain.text.vertical(from, way));
    else if (to !== undefined) go(chain, to);
    else if (way) along(chain, way);
    else if (event.key === "n" || event.key === "p") jump(chain, event.key === "n" ? 1 : -1);
    else if (event.key === "Escape" && chain.marked) chain.unmark();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  key.help = (traced) => (traced ? ALONG : PLAIN);
  Forklore.chainKeys = key;
})();
