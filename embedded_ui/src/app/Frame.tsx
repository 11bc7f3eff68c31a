import { Outlet, ScrollRestoration, type Location } from "react-router";
import { useFreshNumbers } from "@/shared/progress/useProgress";

/**
 * What a place on a page is kept under. The first page after a load has no key of its own, so that a page opened from
 * the admin's menu would begin where another one was left: it goes by its address.
 */
function placeOf(location: Location): string {
  return location.key === "default" ? location.pathname : location.key;
}

/** What stands around every page: a new one starts at its top, going back finds the place again, and numbers stay fresh. */
export function Frame() {
  useFreshNumbers();
  return (
    <>
      <Outlet />
      <ScrollRestoration getKey={placeOf} />
    </>
  );
}
