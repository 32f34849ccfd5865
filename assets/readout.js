// How one score of one token is put into words and bars: value with unit, place within the run, bounds, classes.
// Shared by inspector, tooltip, table and chart; draws no layout of its own.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, scale } = Forklore;
  const { el } = dom;

  /** "≥ " or "≤ " before a value, or a figure of the run, that is a bound: its source gave only the top log-probabilities. */
  const bound = (entry) => ({ lower: "≥\u00a0", upper: "≤\u00a0" })[entry.bound] || "";

  /** The value of a score with its unit, as the reader asked to see it; "n/a" when it does not exist. */
  function valueText(trace, entry, value, bits, withUnit = true) {
    if (value === null) return format.NA;
    if (scale.isClass(entry)) return (entry.classes || [])[value] || `class ${value}`;
    if (entry.direction === "flag") return value ? "yes" : "no";
    const shown = withUnit ? format.quantity(value, entry.unit, bits) : format.number(format.convert(value, entry.unit, bits));
    return bound(entry) + shown;
  }

  /** "higher than 96 % of this run" */
  const placeText = (share, highest) => (share === null ? "" : highest ? highest : `higher than ${Math.min(99, Math.round(share * 100))} % of this run`);

  /** What to say of a value that is the highest, or the only one, among all; "" otherwise. */
  const extreme = (sorted, value) => (value !== sorted[sorted.length - 1] ? "" : sorted[0] === value ? "the same all over this run" : "the highest of this run");

  /** A table row: label, place within the run, value. */
  function scoreRow(context, i, entry) {
    const { trace, view } = context;
    const value = trace.value(i, entry.name);
    const place = scale.isClass(entry) || entry.direction === "flag" ? null : trace.percentile(i, entry.name);
    const highest = place === null ? "" : extreme(trace.sorted(entry.name), value);
    const track = el("span", { class: "fl-track", title: placeText(place, highest) });
    if (place !== null) {
      track.append(el("i", { style: { left: `${(100 * place).toFixed(1)}%` } }), el("span", { class: "fl-sr", text: placeText(place, highest) }));
    }
    return el("tr", { class: entry.name === view.state.score ? "fl-score-on" : "", title: entry.short || "" },
      el("th", { scope: "row" }, el("button", {
        type: "button", class: "fl-score-name", text: entry.label, title: `Colour the text by this score. ${entry.short || ""}`,
        onclick: () => context.view.set({ score: entry.name }),
      })),
      el("td", { class: "fl-score-place" }, track),
      el("td", { class: "fl-score-value", text: valueText(trace, entry, value, view.state.bits) }));
  }

  Forklore.readout = { bound, valueText, scoreRow };
})();
