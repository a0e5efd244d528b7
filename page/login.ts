/** Who has logged in, as the server has written it into the document. `user` is null where logins are switched off. */
export type Login = { readonly user: string | null; readonly role: "admin" | "viewer" };
