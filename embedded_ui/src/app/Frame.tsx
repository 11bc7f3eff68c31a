import { Outlet, ScrollRestoration } from "react-router";

/** What stands around every page: a new one starts at its top, going back finds the place again. */
export function Frame() {
  return (
    <>
      <Outlet />
      <ScrollRestoration />
    </>
  );
}
