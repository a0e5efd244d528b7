/**
 * The page's entry.
 */
import { render } from "preact";
import { App } from "./app.tsx";
import type { Login } from "./login.ts";
import { ServerState } from "./server-state.ts";

const place = document.querySelector("#page");
if (place !== null) {
  const login = JSON.parse(document.body.dataset.login ?? "{}") as Login;
  const server = new ServerState();
  server.start();
  place.textContent = "";
  render(<App server={server} login={login} />, place);
}
