/** What a new account begins with. */
export interface NewPerson {
  name: string;
  login: string;
  password: string;
}

export const PERSON_FIELDS = ["name", "login", "password"] as const;

export const emptyPerson = (): NewPerson => ({ name: "", login: "", password: "" });

/** A login that suits a name: what is no plain letter or digit is left out. */
export function suggestedLogin(name: string): string {
  const plain = name.normalize("NFKD").toLowerCase().replace(/[\u0300-\u036f]/g, "");
  return (plain.split(/\s+/).find(Boolean) ?? "").replace(/[^a-z0-9._-]/g, "").slice(0, 32);
}
