/** Why a camera can't serve, in one line for a person. Anything else that is thrown is a bug of ours. */
export class CameraFault extends Error {
  override readonly name = "CameraFault";
}

/** The line for a person; a bug is thrown on. */
export function faultReason(error: unknown): string {
  if (error instanceof CameraFault) return error.message;
  throw error;
}
