// A page that is left while an answer is on its way: its stream ends with it, and nothing is said of that any more.
// Knows how a stream is asked to end; does not know what it carries.
(() => {
  "use strict";
  const STREAM = /\/gradio_api\/queue\/data/;
  // who is still there after this long has stayed: a download, a question answered with no
  const STAYED_MS = 5000;
  const ask = window.fetch;
  let leaving = false;

  addEventListener("beforeunload", () => {
    leaving = true;
    setTimeout(() => { leaving = false; }, STAYED_MS);
  });

  window.fetch = (what, options) => {
    const address = typeof what === "string" ? what : what instanceof URL ? what.href : what.url;
    const given = (options && options.signal) || what.signal;
    if (!given || !STREAM.test(address)) return ask(what, options);
    const own = new AbortController();
    // a moment later: gradio, which ends its streams when its page is left and then complains that they broke, may hear
    // of the leaving before we do
    const end = () => setTimeout(() => { if (!leaving) own.abort(given.reason); });
    if (given.aborted) end();
    given.addEventListener("abort", end, { once: true });
    return ask(what, { ...options, signal: own.signal });
  };
})();
