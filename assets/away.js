// Words that were typed and not yet asked, kept while the server is away: the page that opens when it is back has them.
// Knows the fields one asks in; does not know why the server does not answer.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const KEPT = "forklore-words";
  const FIELDS = ["prompt", "score-context", "score-text"];
  const ask = window.fetch;
  let away = false;

  const fieldOf = (id) => document.querySelector(`#${id} textarea`);

  function keep() {
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(FIELDS.map((id) => fieldOf(id)?.value || "")));
    } catch { /* a private window forgets */ }
  }

  /** What was kept for each of the fields, once; nothing where the server was never away. */
  Forklore.keptWords = () => {
    try {
      const words = JSON.parse(sessionStorage.getItem(KEPT) || "[]");
      sessionStorage.removeItem(KEPT);
      away = false;
      return Array.isArray(words) ? words : [];
    } catch { return []; }
  };

  addEventListener("input", () => { if (away) keep(); }, true);

  window.fetch = async (what, options) => {
    const address = typeof what === "string" ? what : what instanceof URL ? what.href : what.url;
    try {
      const answer = await ask(what, options);
      // it is there and the page was not opened anew: what stands in the fields stands there
      if (away && /\/gradio_api\/run\//.test(address) && answer.ok) Forklore.keptWords();
      return answer;
    } catch (error) {
      // asked for over and over once the connection is lost, and at no other time
      if (/\/gradio_api\/app_id/.test(address)) {
        away = true;
        keep();
      }
      throw error;
    }
  };
})();
