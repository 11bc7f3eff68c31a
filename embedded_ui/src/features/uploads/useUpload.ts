import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";
import type { UploadReport } from "@/shared/api/types";

export interface Mapping {
  /** Name of a new list; ignored when a list is changed. */
  name: string;
  segmentId: string | null;
  mode: UploadReport["mode"];
  column: string;
  identifier: UploadReport["identifier"];
}

function multipart(file: File, fields: Record<string, string>): FormData {
  const form = new FormData();
  form.append("file", file);
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
}

/** What a file seems to be; nothing is saved. */
export function useCheck() {
  return useMutation({
    mutationFn: (file: File) =>
      unwrap(
        api.POST("/api/segments/uploads/check", {
          // The type asks for the file as text; what goes out is the form.
          body: { file: file.name },
          bodySerializer: () => multipart(file, {}),
        }),
      ),
  });
}

/** Makes or changes a list from a file. */
export function useUpload() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ file, mapping }: { file: File; mapping: Mapping }) => {
      const target: Record<string, string> =
        mapping.segmentId === null ? { name: mapping.name } : { segment_id: mapping.segmentId };
      const { mode, column, identifier } = mapping;
      return unwrap(
        api.POST("/api/segments/uploads", {
          body: { file: file.name },
          bodySerializer: () => multipart(file, { ...target, mode, column, identifier }),
        }),
      );
    },
    onSuccess: async (report) => {
      await queries.invalidateQueries({ queryKey: ["segments"] });
      await queries.invalidateQueries({ queryKey: ["segment", report.segment_id] });
    },
  });
}
