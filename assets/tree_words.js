// A token of the tree in words for screen readers, and the small numbers and marks that stand at it.
// Pure functions of tree, view and token.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { format } = Forklore;
  const TAG_CHARS = 40;
  const TAGS_A_NODE = 8;
  const STATES = [["finished", "ends the turn"], ["forced", "put there by a person"], ["recorded", "never looked into"]];

  /** Why a token has no share of its own; "" where it has one. */
  function shareless(data, shape, node) {
    if (data.onRun[node]) return "part of a run";
    if (data.flag(node, "forced")) return "written by a person";
    return node === shape.state.root ? "hoisted" : "";
  }
  function shareOf(data, shape, node, digits) {
    const why = shareless(data, shape, node);
    return why ? `${format.NA}, ${why}` : format.percent(shape.share[node], digits);
  }

  /** Probability of the whole path to a token, as a logarithm and as a percentage. */
  function pathOf(data, node) {
    const logprob = data.phi[node];
    if (logprob === -Infinity) return "−∞\u00a0nats, 0\u00a0%";
    const share = Math.exp(logprob);
    // two digits that say something, however small
    const small = share >= 1e-5 ? (100 * share).toPrecision(2) : format.number(100 * share, 2);
    const percent = share >= 1e-4 || share === 0 ? format.percent(share || 1e-300, 2) : `${small}\u00a0%`;
    return `${format.number(logprob, 4)}\u00a0nats, ${percent}`;
  }

  function parts(data, shape, node) {
    const out = [data.label(node)];
    if (data.parent(node) >= 0) out.push(`probability ${format.percent(data.probability(node))}`, `share ${shareOf(data, shape, node)}`);
    else out.push("the beginning");
    if (format.exists(data.entropy(node))) out.push(`entropy ${format.number(data.entropy(node), 3)} nats`);
    for (const [name, word] of STATES) if (data.flag(node, name)) out.push(word);
    if (data.limited.has(node)) out.push("a prefix, not an answer");
    if (data.bookmarked(node)) out.push("bookmarked");
    if (data.note(node)) out.push(`note: ${data.note(node)}`);
    if (data.tags(node).length) out.push(`tagged ${data.tags(node).join(", ")}`);
    for (const run of data.runsAt.get(node) || []) out.push(`${run.current ? "this run" : `run ${run.title || "without a title"}`} ends here`);
    return out;
  }

  /** {label, level, position, size, selected, expanded} of a tree item. */
  function describe(data, shape, node) {
    const atRoot = data.parent(node) < 0 || node === shape.state.root;
    const siblings = atRoot ? [node] : shape.kids(data.parent(node));
    return {
      label: Forklore.dom.shown(parts(data, shape, node).join(", ")), level: data.depth[node] - data.depth[shape.state.root] + 1,
      position: siblings.indexOf(node) + 1, size: siblings.length, selected: node === shape.state.selected,
      expanded: data.children(node).length ? !shape.state.folded.has(node) : undefined,
    };
  }

  /** What is wrong with tags as they were typed, with commas between them; "" for nothing. The server has the same limits. */
  function tagProblem(text) {
    const tags = [...new Map(text.split(",").map((tag) => tag.trim().replace(/\s+/g, " ")).filter(Boolean).map((tag) => [tag.toLowerCase(), tag])).values()];
    const long = tags.find((tag) => [...tag].length > TAG_CHARS);
    if (long) return `“${format.cut(long, 21)}” has ${[...long].length} characters; a tag has at most ${TAG_CHARS}.`;
    return tags.length > TAGS_A_NODE ? `These are ${tags.length} tags; one token has at most ${TAGS_A_NODE}.` : "";
  }

  /** Probability as written at a fork: "38", "<1"; "" where nothing forks. */
  function percentAt(data, shape, node) {
    if (shape.kids(data.parent(node)).length < 2) return "";
    const p = data.probability(node);
    return p < 0.005 ? "<1" : String(Math.round(100 * p));
  }

  Forklore.treeWords = { describe, percentAt, shareless, shareOf, pathOf, tagProblem };
})();
