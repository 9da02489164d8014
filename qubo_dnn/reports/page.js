(function () {
  "use strict";
  var figures = JSON.parse(document.getElementById("page-figures").textContent);
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var narrow = window.matchMedia("(max-width: 40rem)");
  var touch = window.matchMedia("(pointer: coarse)");
  var bright = ["#1f6fb4", "#d1600f", "#2a8a3a", "#b3325f", "#7a52b3", "#8a6d00", "#0e8a8a", "#6b6f76"];
  var light = ["#6db3f2", "#ff9c55", "#6fd07f", "#f283aa", "#bd9cf0", "#e0c04c", "#5fd0d0", "#b7bcc4"];

  function template(isDark) {
    var ink = isDark ? "#e8eaee" : "#1b1e24", grid = isDark ? "#3a424e" : "#dfe3ea";
    // An axis that makes room on all sides may never come to rest on a narrow screen.
    function axis(room) {
      return {gridcolor: grid, zerolinecolor: grid, linecolor: grid, automargin: room, tickfont: {size: narrow.matches ? 10 : 12}, title: {font: {size: 13}, standoff: 8}};
    }
    return {layout: {
      font: {color: ink, family: "system-ui, sans-serif", size: 13}, colorway: isDark ? light : bright,
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: {t: 10, l: 10, r: 10, b: 10},
      xaxis: axis("height"), yaxis: axis("width"), hoverlabel: {align: "left", bgcolor: isDark ? "#1e232b" : "#ffffff", font: {color: ink}},
      legend: {orientation: "h", x: 0, y: 1, yanchor: "bottom", xanchor: "left"}
    }};
  }

  function draw(isDark) {
    figures.forEach(function (figure) {
      var layout = Object.assign({}, figure.layout, {
        template: template(isDark), autosize: true,
        // A finger that moves over a chart is to scroll the page.
        dragmode: touch.matches ? false : figure.layout.dragmode || "zoom"
      });
      Plotly.react(figure.name, figure.data, layout, {responsive: true, displayModeBar: false});
    });
  }

  function redraw() { draw(dark.matches); }
  redraw();
  dark.addEventListener("change", redraw);
  narrow.addEventListener("change", redraw);
  window.addEventListener("beforeprint", function () { draw(false); });
  window.addEventListener("afterprint", redraw);
})();
