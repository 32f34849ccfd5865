// What else may change besides the text, folded away, and in two sentences what "the same luck" means.
// Holds the fields; does not know what is done with them.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, controls } = Forklore;
  const { el } = dom;

  const ALIGNMENTS = {
    suffix: "The luck behind the edit moves along with the text, so what follows keeps the luck it had.",
    absolute: "Luck stays with the position: the 30th token keeps the luck of the 30th, whatever was put in before it.",
  };

  /** {root, changes(), alignment(), reset()}: fields of the run's settings, filled with what they are; only changes count. */
  function branchSettings(context, fields, changed) {
    const inputs = new Map();
    const now = () => ({ ...(context.trace.header?.settings || {}), prompt: context.trace.header?.prompt || "", system: context.trace.header?.system || "" });
    const shown = (name) => {
      const value = now()[name];
      return value === null || value === undefined ? { temperature: "1", top_p: "1", top_k: "0" }[name] ?? "" : String(value);
    };
    const field = (name, label, node) => {
      inputs.set(name, node);
      node.addEventListener("input", changed);
      return el("label", { class: "fl-br-field" }, el("span", { text: label }), node);
    };
    const numbers = fields.map(([name, label, limits]) => field(name, label, el("input", { type: "number", ...limits })));
    const texts = [["prompt", "Prompt"], ["system", "System text"]].map(([name, label]) => field(name, label, el("textarea", { rows: "2", spellcheck: "false" })));
    const meaning = el("p", { class: "fl-br-hint" });
    const hold = el("input", { type: "checkbox" });
    let way = "suffix";
    const choice = controls.segmented({
      label: "Where the luck stays", value: way, className: "fl-seg-small", pick: (value) => { way = value; meaning.textContent = ALIGNMENTS[value]; },
      choices: [{ value: "suffix", label: "moves along" }, { value: "absolute", label: "stays in place" }],
    });
    const root = el("details", { class: "fl-br-more" }, el("summary", { text: "Change more" }),
      el("div", { class: "fl-br-numbers" }, numbers), texts,
      el("label", { class: "fl-br-check" }, hold, "With settings alone: keep the text before this token"), el("div", { class: "fl-br-field" }, el("span", { text: "Luck behind an insertion" }), choice.root), meaning);

    return {
      root,
      alignment: () => way,
      /** Whether a change of settings alone leaves the tokens before the chosen one standing. */
      holds: () => hold.checked,
      /** Fields that differ from the run's own: {temperature: 0.5}. An emptied number is no change. */
      changes() {
        const out = {};
        for (const [name, node] of inputs) {
          if (node.value === shown(name) || (node.type === "number" && node.value.trim() === "")) continue;
          if (node.type === "number" && Number(node.value) === Number(shown(name))) continue;
          out[name] = node.type === "number" ? Number(node.value) : node.value;
        }
        return out;
      },
      /** The first field out of its bounds, in words; "" when all are well. */
      problem() {
        const bad = [...inputs.values()].find((node) => node.type === "number" && !node.checkValidity());
        return bad ? `${bad.parentElement.firstChild.textContent} ${bad.value}: ${bad.validationMessage}` : "";
      },
      reset() {
        for (const [name, node] of inputs) node.value = shown(name);
        hold.checked = false;
        root.open = false;
        way = "suffix";
        choice.set(way);
        meaning.textContent = ALIGNMENTS[way];
      },
    };
  }

  const RACE = [
    ["luck", "0.9", "0.2", ""],
    ["as it was", "41 % → 0.0", "38 % → −0.8", "17"],
    ["edited", "30 % → −0.3", "50 % → −0.5", "17 stays"],
    ["otherwise", "20 % → −0.7", "60 % → −0.3", "19"],
  ];

  /** {button, body}: the "?" and what it unfolds. known: the luck was recorded and not inferred. */
  function luckHelp(known) {
    const body = el("div", { class: "fl-br-luck", id: dom.uid("fl-luck"), hidden: true },
      el("p", { text: "Each token is the winner of a race: every candidate starts with its probability and gets a luck number, drawn once for this row of the text. An edit changes the probabilities and leaves the luck, so what still wins stays as it was." }),
      el("table", {}, el("caption", { text: "Probability → its logarithm plus luck; the larger wins:" }),
        el("thead", {}, el("tr", {}, ["", "17", "19", "wins"].map((head) => (head ? el("th", { scope: "col", text: head }) : el("td"))))),
        el("tbody", {}, RACE.map(([name, ...cells]) => el("tr", {}, el("th", { scope: "row", text: name }), cells.map((text) => el("td", { text })))))),
      known ? null : el("p", { text: "Nobody recorded the luck behind this text. It is inferred in hindsight: drawn from all luck under which exactly this text would have been written." }),
      el("p", { class: "fl-br-caveat", text: "That the luck would have been the same is a choice of this way of thinking, not a fact about the network." }));
    const button = dom.button("?", () => {
      body.hidden = !body.hidden;
      button.setAttribute("aria-expanded", String(!body.hidden));
    }, { class: "fl-help-button", title: "What the same luck means", "aria-label": "What the same luck means", "aria-expanded": "false", "aria-controls": body.id });
    return { button, body };
  }

  Object.assign(Forklore, { branchSettings, luckHelp });
})();
