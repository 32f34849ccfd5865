// Calls of the app's own named endpoints, the very same that scripts use, and what an answer or a silence means.
// Knows how gradio answers over HTTP; does not know what any endpoint does.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  // an annotator's call is answered at once or something is wrong; a whole session is made, read and measured in longer
  const PATIENCE_MS = 180_000;
  const QUICK_MS = 30_000;
  const QUICK = new Set(["my_annotations", "open_annotation", "begin_annotating", "next_item", "open_item", "save_annotation"]);
  const UNREACHED = "The server cannot be reached.";
  const BROKEN = "The server could not answer just now.";
  // the title under which the app sends a refusal that another try may change: a full disk, somebody else writing
  const AGAIN = "Again";

  /**
   * sentence: for a person. offline: no answer came at all. again: the same call may well go through later
   * (no answer, or the app says so); false: refused, the same call will be refused again.
   */
  class ServerError extends Error {
    constructor(sentence, { offline = false, again = false } = {}) {
      super(sentence);
      Object.assign(this, { name: "ServerError", sentence, offline, again: again || offline });
    }
  }

  // gradio's name for this open page; without cookies it alone makes two calls those of one visitor
  const own = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const page = () => String(window.__gradio_session_hash__ || own);
  const root = () => String(window.gradio_config?.root || "").replace(/\/$/, "");

  async function post(name, args) {
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), QUICK.has(name) ? QUICK_MS : PATIENCE_MS);
    try {
      const response = await fetch(`${root()}/gradio_api/run/${encodeURIComponent(name)}`, {
        method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ data: args, session_hash: page() }), signal: patience.signal,
      });
      const text = await response.text();
      return { response, text };
    } catch {
      throw new ServerError(UNREACHED, { offline: true });
    } finally {
      clearTimeout(timer);
    }
  }

  /** The result of an endpoint: call("open_item", session, item, link). Throws ServerError. */
  async function call(name, ...args) {
    const { response, text } = await post(name, args);
    let body;
    try { body = JSON.parse(text); } catch { body = null; }
    if (response.ok && Array.isArray(body?.data)) return body.data[0];
    const sentence = typeof body?.error === "string" ? body.error : "";
    // a sentence is the app's own word; anything else is a restart, a proxy, or a defect that is no fault of the call
    throw new ServerError(sentence || BROKEN, { again: !sentence || body.title === AGAIN });
  }

  Forklore.server = { call, ServerError };
})();
