import { useState } from "react";
import type { SendingProof as Proof } from "@/shared/api/types";
import { downloadFile } from "@/shared/files/download";
import { moment } from "@/shared/format/dates";
import { count } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { useSendingProof } from "./useSendingProof";

/** The weekly cap: recomputed here, or taken along as a certificate that anybody can check. */
export function SendingProof() {
  const proof = useSendingProof();
  const [failure, setFailure] = useState<unknown>(null);
  const download = (url: string, filename: string) => {
    setFailure(null);
    downloadFile(url, filename).catch(setFailure);
  };
  return (
    <s-section heading="Proof of the weekly cap">
      <s-stack gap="base">
        <s-paragraph>
          Nobody gets more than one e-mail in 168 hours. Every hand-over stands in a ledger in which no entry can be
          changed without breaking all that follow. The certificate holds the ledger without names or addresses; the
          script checks it on any computer, without Encore.
        </s-paragraph>
        {proof.isError && <Failure what="The ledger was not checked" error={proof.error} />}
        {failure !== null && <Failure what="The file was not fetched" error={failure} />}
        {proof.data !== undefined && <Found proof={proof.data} />}
        <s-stack direction="inline" gap="small">
          <s-button variant="primary" loading={proof.isFetching} onClick={() => void proof.refetch()}>
            Verify now
          </s-button>
          <s-button onClick={() => download("/api/sending/certificate", "sending-certificate.json")}>
            Download certificate
          </s-button>
          <s-button variant="tertiary" onClick={() => download("/api/sending/checker", "check_certificate.py")}>
            Download checking script
          </s-button>
        </s-stack>
      </s-stack>
    </s-section>
  );
}

function Found({ proof }: { proof: Proof }) {
  const { timezone } = useShop();
  const gap = proof.shortest_gap === null ? "nobody was mailed twice" : `shortest gap ${proof.shortest_gap}`;
  const chain = proof.chain_whole ? "chain whole" : "chain broken";
  return (
    <s-stack gap="small">
      {proof.locked !== null && (
        <s-banner tone="warning" heading="Sending is locked">
          No campaign e-mail is sent: {proof.locked}. Whoever runs Encore for you can unlock it.
        </s-banner>
      )}
      <s-banner
        tone={proof.holds ? "success" : "critical"}
        heading={proof.holds ? "The weekly cap holds" : "The weekly cap does not hold"}
      >
        {count(proof.mails)} hand-overs, {gap}, {chain}, as of {moment(proof.as_of, timezone)}.
      </s-banner>
      {proof.findings.length > 0 && (
        <s-unordered-list>
          {proof.findings.map((finding) => (
            <s-list-item key={finding}>{finding}</s-list-item>
          ))}
        </s-unordered-list>
      )}
      {proof.finding_count > proof.findings.length && (
        <s-text color="subdued">and {count(proof.finding_count - proof.findings.length)} more</s-text>
      )}
    </s-stack>
  );
}
