/** The command line parser; this file alone imports it. */
export { Command, CommanderError, InvalidArgumentError, Option } from "@commander-js/extra-typings";
