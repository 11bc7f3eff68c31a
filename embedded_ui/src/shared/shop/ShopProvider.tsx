import { useQuery } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext } from "react";
import { api, unwrap } from "@/shared/api/client";
import type { Shop } from "@/shared/api/types";
import { Failure } from "@/shared/states/Failure";
import { PageSkeleton } from "@/shared/states/Skeleton";

const ShopContext = createContext<Shop | null>(null);

/** Gives every page the shop's currency and time zone; nothing is shown in a guessed one. */
export function ShopProvider({ children }: { children: ReactNode }) {
  const shop = useQuery({
    queryKey: ["shop"],
    queryFn: () => unwrap(api.GET("/api/shop")),
    staleTime: Infinity,
  });
  if (shop.data !== undefined) return <ShopContext value={shop.data}>{children}</ShopContext>;
  if (shop.isError) {
    return (
      <s-page heading="Encore">
        <Failure what="Your shop could not be loaded" error={shop.error} retry={() => void shop.refetch()} />
      </s-page>
    );
  }
  return <PageSkeleton label="Loading your shop" />;
}

/** The shop whose pages these are. */
export function useShop(): Shop {
  const shop = useContext(ShopContext);
  if (shop === null) throw new Error("useShop is for pages inside ShopProvider.");
  return shop;
}
