import { QueryClientProvider } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { RouterProvider } from "react-router";
import { newQueryClient } from "@/shared/api/queries";
import { ShopProvider } from "@/shared/shop/ShopProvider";
import { leaving } from "@/shared/states/SaveBar";
import { Navigation } from "./Navigation";
import { newRouter } from "./routes";
import { followLinks } from "./shopifyNavigation";

/** Encore inside the Shopify admin: navigation, the shop, and the page of the address. */
export function App() {
  const [queries] = useState(() => newQueryClient());
  const [router] = useState(newRouter);
  useEffect(() => followLinks((path) => void leaving().then(() => router.navigate(path))), [router]);
  return (
    <QueryClientProvider client={queries}>
      <Navigation />
      <ShopProvider>
        <RouterProvider router={router} />
      </ShopProvider>
    </QueryClientProvider>
  );
}
