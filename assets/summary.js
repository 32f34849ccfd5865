// The Summary and Recipe panels: the run's figures with what they mean, and everything that made the run.
// Reads header and closing line; a figure that does not exist is "n/a".
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, readout } = Forklore;
  const { el } = dom;

  const REASONS = {
    stop: "The model ended its answer.", length: "It reached the limit of tokens.", stop_string: "It wrote a stop string.", cancelled: "It was stopped.",
    failed: "It failed before its end.", scored: "The text was given and scored.", imported: "The log-probabilities were imported.",
  };
  const WAYS = { uncertain: "↑ less certain", confident: "↑ more certain", familiar: "↑ more familiar", atypical: "↑ less typical" };
  const KINDS = { generation: "generated here", branch: "a branch of another run", counterfactual: "a counterfactual of another run", import: "imported log-probabilities", scored: "a given text, scored" };

  function drawSummary(host, { trace, view }) {
    if (!trace.done) {
      host.replaceChildren(el("p", { class: "fl-panel-empty", text: trace.length ? "The figures of the run appear when it ends." : "The figures of a run appear here." }));
      return;
    }
    const figures = trace.done.summary || [];
    if (!figures.length) return host.replaceChildren(el("p", { class: "fl-panel-empty", text: "No figures were computed for this run." }));
    const tiles = (group) => el("dl", { class: "fl-figures" }, figures.filter((figure) => (figure.group === "main") === group).map((figure) => tile(figure, view.state.bits)));
    const open = host.querySelector("details")?.open || false;
    const rest = figures.filter((figure) => figure.group !== "main").length;
    host.replaceChildren(tiles(true));
    if (rest) host.append(el("details", { class: "fl-fold fl-more-figures", open }, el("summary", { text: `${rest} more figures` }), tiles(false)));
  }

  function tile(figure, bits) {
    const exists = format.exists(figure.value);
    return el("div", { class: "fl-figure", data: { figure: figure.name } },
      el("dt", {}, figure.label, el("span", { class: "fl-figure-way", text: WAYS[figure.direction] || "" })),
      el("dd", { class: `fl-figure-value${exists ? "" : " fl-dim"}` }, (exists ? readout.bound(figure) : "") + format.number(format.convert(figure.value, figure.unit, bits)),
        exists && figure.unit ? el("span", { class: "fl-figure-unit", text: format.unitName(figure.unit, bits) }) : null),
      el("dd", { class: "fl-figure-means", text: figure.short || "" }));
  }

  const LUCK = { same: "the same as the original's", fresh: "fresh, another noise stream of the seed", inferred: "inferred from the original's text by hindsight" };

  /** Of a branch: which run it left, what was changed, and whose luck it has. */
  function branchRows({ header, tokens, parent }) {
    if (!parent) return [];
    let shift = 0;
    const edits = ((header.edit && header.edit.edits) || []).map(([start, stop, written]) => {
      const words = tokens.slice(start + shift, start + shift + written).map((token) => token.t).join("");
      shift += written - (stop - start);
      const place = start === stop ? `before token ${start + 1}` : stop - start === 1 ? `token ${start + 1}` : `tokens ${start + 1} to ${stop}`;
      return `${place}: ${written ? `“${format.label(words)}”` : "left out"}`;
    });
    return [["Branch of", [parent.title, parent.uid].filter(Boolean).join(" · ")], ["Edit", edits.join("; ")], ["Changed", (header.changed || []).join(", ")], ["Luck", LUCK[header.luck] || ""]];
  }

  /** [[name, value]] of everything that made the run; values are text, empty ones are left out. */
  function recipeOf(trace) {
    const { header, done } = trace;
    const m = header.model || {};
    const s = header.settings;
    const rows = [
      ["Run", Forklore.isLiveRun(trace.run) ? "not stored" : trace.run], ["Title", header.title], ["What it is", KINDS[header.kind] || header.kind], ["Made", header.example ? "for this project, with which it ships" : format.date(header.created)],
      ["Model", trace.modelTitle], ["Weights", [m.repo, m.revision].filter(Boolean).join(" @ ")], ["Precision", [m.quantization, m.dtype].filter((word) => word && word !== "none" && word !== "unknown").join(", ")], ["Device", m.device === "unknown" ? "" : m.device],
    ];
    rows.push(...branchRows(trace));
    if (s) {
      rows.push(["Temperature", s.temperature === 0 ? "0 (greedy)" : String(s.temperature)], ["Top-k", s.top_k ? String(s.top_k) : "off"], ["Top-p", s.top_p && s.top_p < 1 ? String(s.top_p) : "off"],
        ["Seed", String(s.seed)], ["Limit", `${format.count(s.max_new_tokens)} tokens`], ["Stop strings", (s.stop || []).map((x) => `“${format.label(x)}”`).join(", ")]);
    }
    rows.push(["System text", header.system || ""], ["Prompt", header.prompt || ""]);
    if (done) rows.push(["How it ended", REASONS[done.reason] || done.reason], ["Time", format.exists(done.seconds) && done.seconds > 0 ? format.seconds(done.seconds) : ""], ["Problem", done.problem]);
    rows.push(["Scores describe", header.bounds ? "the imported top log-probabilities only, so sums over the vocabulary are bounds" : "the model's own distribution: full vocabulary, temperature 1, before any truncation"]);
    for (const note of header.notes || []) rows.push(["Note", note]);
    if (header.remark) rows.push(["Remark", header.remark]);
    if ((header.tags || []).length) rows.push(["Tags", header.tags.join(", ")]);
    return rows.filter(([, value]) => value);
  }

  function drawRecipe(host, context) {
    const { trace } = context;
    const { header } = trace;
    if (!trace.header) {
      host.replaceChildren(el("p", { class: "fl-panel-empty", text: "Model, settings and seed of a run appear here: all that is needed to make it again." }));
      return;
    }
    const rows = recipeOf(trace);
    const copy = async () => context.say((await dom.copyText(rows.map((row) => row.join(": ")).join("\n") + "\n")) ? "Recipe copied." : "The browser did not allow copying.");
    host.replaceChildren(
      el("div", { class: "fl-panel-head" }, el("span", { class: "fl-panel-count fl-grow", text: header.settings ? "All that is needed to make this run again." : "Where this text comes from." }), dom.button("Copy", copy)),
      el("dl", { class: "fl-recipe" }, rows.map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { dir: "auto" }, visible(value))))));
  }

  /** Text of a person or a model with its invisible characters marked. */
  function visible(text) {
    const host = el("bdi");
    Forklore.fillText(host, text);
    return host;
  }

  const panel = (id, label, order, draw) => Forklore.registerPanel({
    id, label, order,
    build(host, context) {
      draw(host, context);
      return { update: (change) => { if (!change.place) draw(host, context); } };
    },
  });
  panel("summary", "Summary", 85, drawSummary);
  panel("recipe", "Recipe", 90, drawRecipe);
})();
