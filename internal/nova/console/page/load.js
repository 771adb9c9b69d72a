// Loads the console's modules. A browser gives up all that it is fetching when the network changes (a new interface is enough: a guest's),
// and keeps that for an answer: only a page that is loaded anew asks again.
const tries = "console-tries";
const most = 5;

function tried() {
  try {
    return Number(sessionStorage.getItem(tries)) || 0;
  } catch {
    return most; // nothing may be kept: no second try, rather than one without end
  }
}

function keep(n) {
  try {
    sessionStorage.setItem(tries, n);
  } catch {
    // told by tried
  }
}

import("./console.js").then(
  () => keep(0),
  (error) => {
    const n = tried();
    if (n < most) {
      keep(n + 1);
      setTimeout(() => location.reload(), 300 * (n + 1));
      return;
    }
    keep(0);
    const status = document.getElementById("status");
    status.textContent = `The console's page did not load (${error.message}). Reload it when the network is well.`;
    status.classList.add("bad");
    const again = document.getElementById("again");
    again.hidden = false;
    again.onclick = () => location.reload();
  },
);
