import { Outlet, ScrollRestoration } from "react-router";
import { useFreshNumbers } from "@/shared/progress/useProgress";

/** What stands around every page: a new one starts at its top, going back finds the place again, and numbers stay fresh. */
export function Frame() {
  useFreshNumbers();
  return (
    <>
      <Outlet />
      <ScrollRestoration />
    </>
  );
}
