import { createBrowserRouter, type RouteObject } from "react-router";
import { PageSkeleton } from "@/shared/states/Skeleton";
import { BrokenPage, MissingPage } from "./ErrorPages";
import { Frame } from "./Frame";

/** Every page by its address. Pages are separate chunks: the first paint waits for one page only. */
export const routes: RouteObject[] = [
  {
    element: <Frame />,
    errorElement: <BrokenPage />,
    hydrateFallbackElement: <PageSkeleton label="Loading the page" />,
    children: [
      {
        index: true,
        lazy: async () => ({ Component: (await import("@/features/dashboard/DashboardPage")).DashboardPage }),
      },
      {
        path: "segments",
        lazy: async () => ({ Component: (await import("@/features/segments/SegmentsPage")).SegmentsPage }),
      },
      {
        path: "segments/new",
        lazy: async () => ({ Component: (await import("@/features/rules/NewSegmentPage")).NewSegmentPage }),
      },
      {
        path: "segments/upload",
        lazy: async () => ({ Component: (await import("@/features/uploads/UploadPage")).UploadPage }),
      },
      {
        path: "segments/:segmentId",
        lazy: async () => ({
          Component: (await import("@/features/segments/SegmentDetailsPage")).SegmentDetailsPage,
        }),
      },
      {
        path: "segments/:segmentId/edit",
        lazy: async () => ({ Component: (await import("@/features/rules/EditSegmentPage")).EditSegmentPage }),
      },
      {
        path: "customers",
        lazy: async () => ({ Component: (await import("@/features/customers/CustomersPage")).CustomersPage }),
      },
      {
        path: "customers/:customerNo",
        lazy: async () => ({ Component: (await import("@/features/customers/CustomerPage")).CustomerPage }),
      },
      {
        path: "campaigns",
        lazy: async () => ({ Component: (await import("@/features/campaigns/CampaignsPage")).CampaignsPage }),
      },
      {
        path: "campaigns/new",
        lazy: async () => ({ Component: (await import("@/features/campaigns/NewCampaignPage")).NewCampaignPage }),
      },
      {
        path: "campaigns/:campaignId",
        lazy: async () => ({ Component: (await import("@/features/campaigns/CampaignPage")).CampaignPage }),
      },
      {
        path: "campaigns/:campaignId/edit",
        lazy: async () => ({ Component: (await import("@/features/campaigns/WizardPage")).WizardPage }),
      },
      {
        path: "predictions",
        lazy: async () => ({
          Component: (await import("@/features/predictions/PredictionsPage")).PredictionsPage,
        }),
      },
      {
        path: "senders",
        lazy: async () => ({ Component: (await import("@/features/senders/SendersPage")).SendersPage }),
      },
      {
        path: "connections",
        lazy: async () => ({ Component: (await import("@/features/connections/ConnectionsPage")).ConnectionsPage }),
      },
      {
        path: "settings",
        lazy: async () => ({ Component: (await import("@/features/settings/SettingsPage")).SettingsPage }),
      },
      { path: "*", Component: MissingPage },
    ],
  },
];

/** The router of the address bar. */
export function newRouter() {
  return createBrowserRouter(routes);
}
