// Hears clicks on a plotly figure, which reaches the page without a click event, and hands on whose dot was clicked.
// Attaches again whenever the figure is drawn anew; does not know what the figure shows.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});

  Forklore.mountPlotBridge = ({ element, props, watch, trigger }) => {
    const root = element.querySelector(".fl-piece");
    root.hidden = true;
    let heard = null;

    function clicked(event) {
      const data = event.points && event.points[0] && event.points[0].customdata;
      const uid = Array.isArray(data) ? data[0] : undefined;
      if (typeof uid === "string" && uid) trigger("plot_click", { uid });
    }

    function attach() {
      if (!root.isConnected) return observer.disconnect();
      const host = props.value ? document.getElementById(props.value) : null;
      const graph = host && host.querySelector(".js-plotly-plot");
      if (!graph || typeof graph.on !== "function" || graph === heard) return;
      heard = graph;
      graph.on("plotly_click", clicked);
    }

    const observer = new MutationObserver(attach);
    observer.observe(document.body, { childList: true, subtree: true });
    watch("value", attach);
    attach();
  };
})();
