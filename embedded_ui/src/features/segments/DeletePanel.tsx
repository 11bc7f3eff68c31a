import { useNavigate } from "react-router";
import { explain } from "@/shared/api/client";
import type { SegmentDetails } from "@/shared/api/types";
import { Failure } from "@/shared/states/Failure";
import { toast } from "@/shared/states/toast";
import { DependentList } from "./SegmentCards";
import { useRestoreSegment, type useSegmentActions } from "./useSegments";

interface Props {
  segment: SegmentDetails;
  actions: ReturnType<typeof useSegmentActions>;
  close: () => void;
}

/** Asks before a segment is deleted; while something uses it, lists that instead. */
export function DeletePanel({ segment, actions, close }: Props) {
  const navigate = useNavigate();
  const restore = useRestoreSegment();
  // This panel is gone by then: what is passed to `mutate` would not be called any more.
  const undo = () =>
    void restore.mutateAsync(segment.id).then(
      () => navigate(`/segments/${segment.id}`),
      (fault: unknown) => toast(`It was not brought back. ${explain(fault)}`),
    );
  const remove = () =>
    actions.remove.mutate(undefined, {
      onSuccess: () => {
        toast("Segment deleted", undo);
        void navigate("/segments");
      },
    });
  if (segment.used_by.length > 0) {
    return (
      <s-banner tone="warning" heading={`“${segment.name}” is in use`}>
        <s-paragraph>Take it out of these first. Then it can be deleted without breaking anything.</s-paragraph>
        <DependentList segment={segment} />
        <s-button slot="secondary-actions" variant="secondary" onClick={close}>
          Keep it
        </s-button>
      </s-banner>
    );
  }
  return (
    <s-banner tone="warning" heading={`Delete “${segment.name}”?`}>
      <s-paragraph>
        No campaign, sync or other segment uses it. Customers and what was sent stay as they are. It can be brought back
        for 30 days.
      </s-paragraph>
      {actions.remove.isError && <Failure what="It was not deleted" error={actions.remove.error} />}
      <s-button slot="secondary-actions" variant="secondary" tone="critical" loading={actions.remove.isPending} onClick={remove}>
        Delete segment
      </s-button>
      <s-button slot="secondary-actions" variant="secondary" onClick={close}>
        Keep it
      </s-button>
    </s-banner>
  );
}
