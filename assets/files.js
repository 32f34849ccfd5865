// Taking a run away: text, numbers, pictures, a link, and a web page of its own that works without a network.
// Builds files in the browser from what it already holds; asks the server for nothing.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, chart, controls } = Forklore;

  const inScript = (text) => JSON.stringify(text).replaceAll("<", "\\u003c");
  const source = (id) => document.getElementById(id)?.textContent || "";

  /** The run as one HTML document with styles, scripts and data inside. */
  function standalonePage(ndjson, title) {
    const shell = JSON.parse(source("forklore-shell") || '""');
    if (!shell) return "";
    const scripts = [...document.querySelectorAll("script[data-forklore]")].map((node) => `<script data-forklore="${node.dataset.forklore}">${node.textContent}</` + "script>").join("\n");
    const parts = {
      TITLE: title.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]),
      STYLE: source("forklore-style"), SCRIPTS: scripts, DATA: inScript(ndjson), SHELL: inScript(shell),
    };
    return shell.replace(/@@([A-Z]+)@@/g, (_, name) => parts[name]);
  }

  /** The run as one JSON document for other programs: header, tokens, closing line. */
  function jsonOf(trace) {
    const { header, tokens, done } = trace;
    const readable = tokens.map((token, i) => ({
      index: i, piece: token.t, id: token.id, bytes: token.x, control: Boolean(token.c), scores: Object.fromEntries(trace.scores.map((entry) => [entry.name, trace.value(i, entry.name)])),
      alternatives: (token.k || []).map(([id, logprob]) => ({ id, text: trace.words.get(id) ?? null, logprob })), mass_of_all_others: token.r ?? null, draw: trace.draw(i),
    }));
    return JSON.stringify({ header, tokens: readable, end: done }, null, 1);
  }

  class Files {
    constructor(context) {
      this.context = context;
      this.menu = controls.menu({ label: "Take away", title: "Copy or save this run", items: () => this.items() });
    }

    get title() {
      const { header } = this.context.trace;
      return (header && (header.title || header.prompt)) || "Forklore run";
    }
    get name() {
      return dom.fileName(this.title, "forklore-run");
    }

    items() {
      const { trace } = this.context;
      const nothing = !trace.length;
      const ended = trace.length > 0 && Boolean(trace.done);
      const link = this.link();
      return [
        { heading: "Copy" },
        { label: "Text", hint: "the answer as plain text", disabled: nothing, run: () => this.copy(trace.plainText(), "Text copied.") },
        { label: "Link to this token", hint: link ? "opens this run at the pinned token" : "only stored runs have links", disabled: !link, run: () => this.copy(link, "Link copied.") },
        { heading: "Save" },
        { label: "Web page", hint: ended ? "one HTML file, works without a network" : "when the run has ended", disabled: !ended || !source("forklore-shell"), run: () => this.save("html", standalonePage(trace.text, this.title), "text/html;charset=utf-8") },
        { label: "Data as JSON", hint: ended ? "every token with scores, rivals and draw, to six digits" : "when the run has ended", disabled: !ended, run: () => this.save("json", jsonOf(trace), "application/json") },
        { label: "Table as CSV", hint: "one row a token", disabled: nothing, run: () => this.csv() },
        { label: "Curves as SVG", disabled: nothing, run: () => this.picture("svg") },
        { label: "Curves as PNG", disabled: nothing, run: () => this.picture("png") },
      ];
    }

    /** Address of this run at its pinned token; "" where there is none to give. */
    link() {
      const { trace, place, props } = this.context;
      if (!trace.stored || !props.deeplink || !location.protocol.startsWith("http")) return "";
      const query = new URLSearchParams({ run: trace.run });
      if (place.state.pinned >= 0) query.set("tok", String(place.state.pinned));
      return `${location.origin}${location.pathname}?${query}`;
    }

    async copy(text, told) {
      this.context.say((await dom.copyText(text)) ? told : "The browser did not allow copying.");
    }

    save(ending, content, type) {
      const name = `${this.name}.${ending}`;
      dom.download(name, content, type);
      this.context.say(`Saved ${name}.`);
    }

    csv() {
      this.save("csv", "\ufeff" + format.csv(Forklore.dataRows(this.context.trace)), "text/csv;charset=utf-8");
    }

    async picture(kind) {
      const { trace, curves, view, hot } = this.context;
      const shown = curves ? curves.options() : { names: [view.state.score], from: 0, to: trace.length, bits: view.state.bits };
      const note = [trace.modelTitle, trace.samplingNote(), trace.header.settings ? `seed ${trace.header.settings.seed}` : "", `${trace.length} tokens`].filter(Boolean).join(" · ");
      const title = format.cut(this.title, 110);
      const drawing = chart.toSvgText(trace, { ...shown, hot, width: 1000 }, format.label(title), note);
      if (kind === "svg") this.save("svg", drawing.text, "image/svg+xml");
      else this.save("png", await chart.toPng(drawing), "image/png");
    }
  }

  Forklore.Files = Files;
  Forklore.standalonePage = standalonePage;
})();
