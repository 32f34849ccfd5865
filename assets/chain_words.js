// How a chain is said: tokens as words of a sentence, what the answer rests on, the facts behind the picture.
// Turns the document into nodes; a token's word leads to it.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;
  const NAMED = 3;

  /** A token as a word: without the blank that it begins with, marks for what cannot be seen. */
  function word(text) {
    const node = el("bdi", { class: "fl-ch-word" });
    if (/^ +$/.test(text)) node.append(format.label(text));
    else Forklore.fillText(node, text === "" ? "⟨empty⟩" : text.replace(/^ (?=\S)/, ""));
    return node;
  }
  const quoted = (text) => el("span", { class: "fl-ch-quote" }, "‘", word(text), "’");

  /** A number with three digits that mean something, however small it is. */
  function figure(value) {
    const size = Math.abs(value);
    return format.exists(value) && size >= 1e-3 && size < 1 ? value.toFixed(2 - Math.floor(Math.log10(size))).replace("-", "−") : format.number(value, 3);
  }

  /** Numbers of a half-open range of tokens, as the page counts them. */
  const range = ([start, stop]) => (stop - start === 1 ? `token ${format.count(start + 1)}` : `tokens ${format.count(start + 1)} to ${format.count(stop)}`);
  const textOf = (data, [start, stop]) => data.pieces.slice(start, stop).join("");
  /** Text on one line of a control, not longer than is read there. */
  function brief(text, most = 28) {
    const flat = format.label(text.replace(/\s+/g, " ").trim());
    return format.cut(flat, most);
  }

  /** A word that leads to its token. */
  const link = (data, t, go) => el("button", { type: "button", class: "fl-say-token fl-ch-link", title: `Token ${format.count(t + 1)}`, onclick: () => go(t) }, word(data.pieces[t] ?? ""));

  /** What is said on top: what the answer rests on, or what there is to ask; nodes. */
  function sentence(data, go) {
    const { span } = data;
    if (!span) return ["No answer was found in this text. Select its tokens below, and see on which earlier ones it rests."];
    const answer = [quoted(textOf(data, span)), ` (${range(span)})`];
    if (!data.traced) return data.running ? ["Following the attention of ", ...answer, " back through the text: from the answer to the tokens it rests on, and from those to the ones that they rest on …"] : ["On which earlier tokens does ", ...answer, " rest? Trace it: its attention is followed back through the text, hop by hop."];
    if (!data.rows.length) return ["The answer ", ...answer, " rests on no earlier token of its own text: its attention goes to the prompt, or to words that say little."];
    const many = data.rows.length;
    const most = data.strongest().slice(0, NAMED);
    const named = most.flatMap(({ t }, i) => [i === 0 ? "" : i === most.length - 1 ? " and " : ", ", "‘", link(data, t, go), `’ (token ${format.count(t + 1)})`]);
    return ["The answer ", ...answer, ` rests on ${many === 1 ? "one token: " : `${format.count(many)} tokens; most on `}`, ...named.filter(Boolean), "."];
  }

  const named = (data, name) => ((data.header.languages || []).find((one) => one.name === name) || { label: name }).label;

  /** What the picture rests on, in one line. */
  function facts(data) {
    if (!data.traced) return "";
    const { settings = {} } = data.header;
    const many = (count, one) => `${format.count(count)} ${one}${count === 1 ? "" : "s"}`;
    return [
      data.span ? `answer: ${range(data.span)}` : "", `${many(data.rows.length, "token")} in the chain, ${format.count(data.kept.length)} kept`, many(data.hops, "hop"),
      settings.heads ? `${settings.reduction === "mean" ? "mean" : "maximum"} of the ${many(settings.heads, "sharpest head")}` : "", settings.language ? `stop words: ${named(data, settings.language)}` : "",
      "tokens of the response only, never of the prompt",
    ].filter(Boolean).join(" · ");
  }

  Forklore.chainWords = { word, figure, quoted, range, textOf, brief, link, sentence, facts };
})();
