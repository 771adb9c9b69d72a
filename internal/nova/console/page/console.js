// The console page: shows a server's screen with noVNC's RFB client.
//
// The token comes in the page's address, as upstream's URLs carry it: either
// ?token=T, or ?path=%3Ftoken%3DT (the path of the WebSocket with its query).
import RFB from "../novnc/core/rfb.js";

const params = new URLSearchParams(location.search);
const status = document.getElementById("status");
const cad = document.getElementById("cad");
const again = document.getElementById("again");

function token() {
  const direct = params.get("token");
  if (direct) return direct;
  const path = params.get("path") || "";
  return new URLSearchParams(path.slice(path.indexOf("?") + 1)).get("token") || "";
}

function say(text, bad = false) {
  status.textContent = text;
  status.classList.toggle("bad", bad);
}

const title = params.get("title");
if (title) {
  document.title = title;
  document.getElementById("title").textContent = title;
}

// A first connection that breaks before it stands is tried once more: the network may have changed under it.
let spare = 1;

function connect() {
  again.hidden = true;
  say("Connecting…");
  const url = new URL("websockify", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.search = new URLSearchParams({ token: token() }).toString();
  const rfb = new RFB(document.getElementById("screen"), url.href, { wsProtocols: ["binary"] });
  rfb.scaleViewport = true;
  rfb.background = "#202124";
  rfb.viewOnly = params.get("view_only") === "true";
  rfb.addEventListener("connect", () => {
    spare = 0;
    say("Connected");
    cad.disabled = rfb.viewOnly;
    rfb.focus();
  });
  rfb.addEventListener("disconnect", (e) => {
    cad.disabled = true;
    if (!e.detail.clean && spare-- > 0) {
      setTimeout(connect, 500);
      return;
    }
    again.hidden = false;
    say(e.detail.clean ? "Disconnected" : "The console is not reachable: the link may have expired, ask for a new one.", !e.detail.clean);
  });
  rfb.addEventListener("desktopname", (e) => {
    if (!title) document.title = e.detail.name;
  });
  cad.onclick = () => rfb.sendCtrlAltDel();
}

again.onclick = connect;
connect();
