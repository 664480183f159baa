// Loaded before anything is drawn, so that the chosen colours never flash.
"use strict";
(() => {
  const chosen = localStorage.getItem("pictor-theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
})();
