import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";
import { moment } from "@/shared/format/dates";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { toast } from "@/shared/states/toast";

/** The rules that a segment had, newest first; any of them can be saved again. */
export function VersionsPanel({ segmentId, current }: { segmentId: string; current: number }) {
  const { timezone } = useShop();
  const path = { segment_id: segmentId };
  const versions = useQuery({
    queryKey: ["segment", segmentId, "versions", current],
    queryFn: () => unwrap(api.GET("/api/segments/{segment_id}/versions", { params: { path } })),
  });
  const queries = useQueryClient();
  const restore = useMutation({
    mutationFn: (version: number) =>
      unwrap(api.POST("/api/segments/{segment_id}/versions/{version}/restore", { params: { path: { ...path, version } } })),
    onSuccess: async (saved) => {
      queries.setQueryData(["segment", segmentId], saved);
      toast("Version restored");
      await queries.invalidateQueries({ queryKey: ["segments"] });
    },
  });
  return (
    <s-section heading="Earlier versions">
      <s-stack gap="base">
        {restore.isError && <Failure what="The version was not restored" error={restore.error} />}
        <Loaded query={versions} noun="the versions" lines={3}>
          {({ items }) => (
            <s-unordered-list>
              {items.map((one) => (
                <s-list-item key={one.version}>
                  <s-stack direction="inline" gap="small" alignItems="center">
                    <s-text type="strong">{`Version ${one.version}, ${moment(one.saved_at, timezone)}`}</s-text>
                    <s-text>{one.definition}</s-text>
                    {one.version === current ? (
                      <s-badge>Now</s-badge>
                    ) : (
                      one.rule !== null && (
                        <s-button
                          variant="tertiary"
                          accessibilityLabel={`Restore version ${one.version}`}
                          loading={restore.isPending && restore.variables === one.version}
                          onClick={() => restore.mutate(one.version)}
                        >
                          Restore
                        </s-button>
                      )
                    )}
                  </s-stack>
                </s-list-item>
              ))}
            </s-unordered-list>
          )}
        </Loaded>
      </s-stack>
    </s-section>
  );
}
