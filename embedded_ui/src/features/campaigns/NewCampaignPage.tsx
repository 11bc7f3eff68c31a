import { useEffect, useRef } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { ApiError } from "@/shared/api/client";
import { Failure } from "@/shared/states/Failure";
import { Skeleton } from "@/shared/states/Skeleton";
import { useCreateCampaign } from "./useCampaigns";

/** Makes a draft, empty or prefilled by a recommendation or segment, and opens it. */
export function NewCampaignPage() {
  const [address] = useSearchParams();
  const navigate = useNavigate();
  const create = useCreateCampaign();
  const asked = useRef(false);
  const recommendation_id = address.get("recommendation");
  const segment_id = address.get("segment");
  const make = (body: { recommendation_id?: string | null; segment_id?: string | null }) =>
    create.mutate(body, {
      onSuccess: (made) => void navigate(`/campaigns/${made.id}/edit`, { replace: true }),
    });
  useEffect(() => {
    // Once per visit: every call makes a draft.
    if (asked.current) return;
    asked.current = true;
    make({ recommendation_id, segment_id });
  });
  // Whatever a draft could be prefilled from was there once: not found means gone.
  const gone = create.error instanceof ApiError && create.error.status === 404;
  return (
    <s-page heading="New campaign">
      {create.isError ? (
        <s-stack gap="base">
          <Failure
            what={gone ? "This suggestion no longer holds" : "The draft could not be made"}
            error={create.error}
            retry={() => make({ recommendation_id, segment_id })}
          />
          {gone && (
            <s-section heading="Start from scratch instead">
              <s-stack gap="base">
                <s-paragraph>The segment behind it may be gone or empty. An empty campaign is always possible.</s-paragraph>
                <s-box>
                  <s-button onClick={() => make({})}>New empty campaign</s-button>
                </s-box>
              </s-stack>
            </s-section>
          )}
        </s-stack>
      ) : (
        <s-section>
          <Skeleton label="Preparing your draft" lines={4} />
        </s-section>
      )}
    </s-page>
  );
}
