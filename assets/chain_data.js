// An attention chain as the browser holds it: lines of JSON read into tokens, arcs, variants and parts of the confidence.
// Knows the document's fields and what follows from them; does not draw.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { format } = Forklore;

  class ChainData {
    constructor() {
      this.clear();
    }

    clear() {
      Object.assign(this, { text: "", header: null, traced: false, rows: [], at: new Map(), arcs: [], variants: [], confidence: null, warnings: [], standing: null, down: new Map(), up: new Map() });
    }

    get run() {
      return this.header ? this.header.run : "";
    }
    get uid() {
      return (this.header && this.header.chain) || "";
    }
    get pieces() {
      return (this.header && this.header.pieces) || [];
    }
    get state() {
      return this.standing ? this.standing.state : "";
    }
    get running() {
      return this.state === "running" || this.state === "waiting";
    }
    /** Half-open range of the answer's tokens; null where none is known. */
    get span() {
      return (this.header && this.header.span) || null;
    }
    get hops() {
      return this.rows.reduce((most, row) => Math.max(most, row.hop), 0);
    }
    get kept() {
      return this.rows.filter((row) => row.kept);
    }

    /** Reads a whole document; "" for none. True when something changed. */
    load(text) {
      if ((text || "") === this.text) return false;
      this.clear();
      this.text = text || "";
      for (const line of this.text.split("\n")) if (line) this.take(JSON.parse(line));
      for (const row of this.rows) this.at.set(row.t, row);
      this.arcs.sort((a, b) => b.weight - a.weight || b.from - a.from || b.to - a.to);
      for (const arc of this.arcs) {
        this.down.set(arc.from, [...(this.down.get(arc.from) || []), arc]);
        this.up.set(arc.to, [...(this.up.get(arc.to) || []), arc]);
      }
      this.largest = Math.max(1e-9, ...this.rows.map((row) => row.score));
      return true;
    }

    take(part) {
      if (part.v) this.header = part;
      else if (part.tokens) {
        this.traced = true;
        this.rows = part.tokens.map(([t, score, similarity, kept, hop, surprisal, entropy, direct]) => ({ t, score, similarity, kept: Boolean(kept), hop, surprisal, entropy, direct }));
      } else if (part.arcs) this.arcs = part.arcs.map(([from, to, weight, hop]) => ({ from, to, weight, hop }));
      else if (part.variants) this.variants = part.variants.map(([t, id, text, p, answer, ratio, kept], place) => ({ t, id, text, p, answer, ratio, kept, place }));
      else if (part.confidence) this.confidence = part.confidence;
      else if (part.warnings) this.warnings = part.warnings;
      else if (part.s) this.standing = part.s;
    }

    // ---- tokens

    isAnswer(t) {
      return this.traced && Boolean(this.span) && t >= this.span[0] && t < this.span[1];
    }
    /** Whether a token belongs to the chain or is the answer. */
    has(t) {
      return this.at.has(t) || this.isAnswer(t);
    }
    /** Hop at which a token joins; 0 for the answer, Infinity where it never does. */
    hopOf(t) {
      return this.isAnswer(t) ? 0 : this.at.has(t) ? this.at.get(t).hop : Infinity;
    }
    label(t) {
      return format.label(this.pieces[t] ?? "");
    }
    /** Where a score lies between nothing and the largest one of this chain. */
    share(row) {
      return Math.max(0, Math.min(1, row.score / this.largest));
    }
    /** The token of the answer that rests on the others most; its last one where none does. */
    own() {
      if (!this.span) return -1;
      const [start, stop] = this.span;
      const weight = (t) => this.restsOn(t).reduce((sum, arc) => sum + arc.weight, 0);
      return [...Array(stop - start).keys()].map((i) => start + i).reduce((best, t) => (weight(t) >= weight(best) ? t : best), start);
    }
    /** The chain, most relied on first. */
    strongest() {
      return [...this.rows].sort((a, b) => b.score - a.score || a.t - b.t);
    }
    /** What a token rests on, the strongest first. */
    restsOn(t) {
      return this.down.get(t) || [];
    }
    /** What rests on a token, the strongest first. */
    restingOn(t) {
      return this.up.get(t) || [];
    }

    // ---- numbers to take away; tokens count from 1 there

    chainRows() {
      const head = ["token", "text", "score", "similarity", "kept", "hop", "surprisal (nats)", "entropy (nats)", "weight from the answer"];
      const number = (value) => (format.exists(value) ? value : null);
      return [head, ...this.rows.map((row) => [row.t + 1, this.pieces[row.t], number(row.score), number(row.similarity), row.kept ? 1 : 0, row.hop, number(row.surprisal), number(row.entropy), number(row.direct)])];
    }
    arcRows() {
      return [["from token", "from text", "rests on token", "on text", "weight", "hop"], ...this.arcs.map(({ from, to, weight, hop }) => [from + 1, this.pieces[from], to + 1, this.pieces[to], weight, hop])];
    }
    confidenceRows() {
      return [["figure", "value"], ...Object.entries(this.confidence || {}), ...Object.entries(this.header.settings || {}).map(([name, value]) => [`setting: ${name}`, [value].flat().join(" ")])];
    }
    variantRows() {
      const number = (value) => (format.exists(value) ? value : null);
      return [["token", "text", "substitute", "substitute id", "probability", "P(answer)", "times the original", "P(kept)"], ...this.variants.map(({ t, id, text, p, answer, ratio, kept }) => [t + 1, this.pieces[t], text, id, number(p), number(answer), number(ratio), number(kept)])];
    }
  }

  Forklore.ChainData = ChainData;
})();
