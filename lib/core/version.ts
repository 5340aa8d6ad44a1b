/** The version of this program; written into archives, the catalogue and `duckback version`. */
export const VERSION = "0.1.0";
