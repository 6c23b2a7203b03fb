/* kvctl completion: a script for bash, made from the registry. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/frame/context.h"
#include "cli/tools/complete.h"

/* ---- The tables ---- */

static void print_commands(FILE *to)
{
    fprintf(to, "__kvctl_first='");
    for (size_t i = 0; commands[i] != NULL; i++) {
        size_t length = strcspn(commands[i]->name, " ");
        bool repeated = i > 0 && strncmp(commands[i - 1]->name, commands[i]->name, length) == 0 &&
                        strcspn(commands[i - 1]->name, " ") == length;
        if (!repeated)
            fprintf(to, "%.*s ", (int)length, commands[i]->name);
    }
    fprintf(to, "'\n\n# The second words of a family.\n__kvctl_second() {\n  case $1 in\n");
    for (size_t i = 0; commands[i] != NULL;) {
        size_t length = strcspn(commands[i]->name, " ");
        const char *first = commands[i]->name;
        if (first[length] == '\0') {
            i++;
            continue;
        }
        fprintf(to, "  %.*s) echo '", (int)length, first);
        for (; commands[i] != NULL && strncmp(commands[i]->name, first, length + 1) == 0; i++)
            fprintf(to, "%s%s", commands[i]->name == first ? "" : " ",
                    commands[i]->name + length + 1);
        fprintf(to, "' ;;\n");
    }
    fprintf(to, "  esac\n}\n\n");
}

/* Calls `print` for each option of the command. */
static void each_option(FILE *to, const struct command *command,
                        void (*print)(FILE *, const struct option_spec *))
{
    for (const struct option_spec *s = command->options; s != NULL && s->name != NULL; s++)
        print(to, s);
    for (const struct option_spec *s = common_options; s->name != NULL; s++) {
        if (common_applies(command, s))
            print(to, s);
    }
}

static void print_name(FILE *to, const struct option_spec *spec)
{
    fprintf(to, " --%s", spec->name);
}

static void print_value(FILE *to, const struct option_spec *spec)
{
    if (spec->argument == NULL)
        return;
    fprintf(to, "    ");
    if (spec->letter != '\0')
        fprintf(to, "-%c | ", spec->letter);
    fprintf(to, "--%s) echo '%s' ;;\n", spec->name, spec->argument);
}

static void print_options(FILE *to)
{
    fprintf(to, "__kvctl_options() {\n  case $1 in\n");
    for (size_t i = 0; commands[i] != NULL; i++) {
        fprintf(to, "  '%s') echo '", commands[i]->name);
        each_option(to, commands[i], print_name);
        fprintf(to, "' ;;\n");
    }
    fprintf(to, "  esac\n}\n\n"
                "# What the value of an option is; nothing: it takes none.\n"
                "__kvctl_value() {\n  case $1 in\n");
    for (size_t i = 0; commands[i] != NULL; i++) {
        fprintf(to, "  '%s')\n    case $2 in\n", commands[i]->name);
        each_option(to, commands[i], print_value);
        fprintf(to, "    esac\n    ;;\n");
    }
    fprintf(to, "  esac\n}\n\n");
}

/* The operands, one word each; the last is repeated where the command takes any number. */
static void print_operands(FILE *to)
{
    fprintf(to, "__kvctl_operands() {\n  case $1 in\n");
    for (size_t i = 0; commands[i] != NULL; i++) {
        char kind[OPERAND_BYTES];
        fprintf(to, "  '%s') echo '", commands[i]->name);
        for (size_t n = 0; n < 4 && operand_kind(commands[i]->args, n, kind)[0] != '\0'; n++)
            fprintf(to, "%s%s", n == 0 ? "" : " ", kind);
        fprintf(to, "%s' ;;\n", commands[i]->max_args < 0 ? " ..." : "");
    }
    fprintf(to, "  esac\n}\n\n");
}

/* ---- The script ---- */

static const char script_head[] =
    "# Completion of kvctl for bash, made by `kvctl completion bash`:\n"
    "#     source <(kvctl completion bash)\n\n";

static const char script_body[] =
    "# Node ids come from the topology that the line names, else from the usual one.\n"
    "__kvctl_nodes() {\n"
    "  CANDOR_TOPOLOGY=${__kvctl_topology:-${CANDOR_TOPOLOGY-}} \"${COMP_WORDS[0]}\" completion "
    "nodes "
    "2>/dev/null\n"
    "}\n"
    "\n"
    "# Offers what a value of kind $1 may be that begins with $2.\n"
    "__kvctl_offer() {\n"
    "  case $1 in\n"
    "  *'|'*) mapfile -t COMPREPLY < <(compgen -W \"${1//|/ }\" -- \"$2\") ;;\n"
    "  NODE) mapfile -t COMPREPLY < <(compgen -W \"$(__kvctl_nodes)\" -- \"$2\") ;;\n"
    "  CLUSTER) mapfile -t COMPREPLY < <(compgen -W "
    "\"$(\"${COMP_WORDS[0]}\" completion clusters 2>/dev/null)\" -- \"$2\") ;;\n"
    "  FILE) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$2\") ;;\n"
    "  DIR) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- \"$2\") ;;\n"
    "  esac\n"
    "}\n"
    "\n"
    "# The n-th operand's kind of a list of kinds; the one before '...' counts for all that "
    "follow.\n"
    "__kvctl_operand() {\n"
    "  local n=$1\n"
    "  shift\n"
    "  local last=${!#}\n"
    "  [[ $last == ... ]] && ((n >= $# - 1)) && n=$(($# - 2))\n"
    "  shift \"$n\" 2>/dev/null && echo \"${1-}\"\n"
    "}\n"
    "\n"
    "_kvctl() {\n"
    "  local current=${COMP_WORDS[COMP_CWORD]} command='' known='' open='' option='' word second\n"
    "  local -i i operands=0\n"
    "  local __kvctl_topology=''\n"
    "  COMPREPLY=()\n"
    "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "    word=${COMP_WORDS[i]}\n"
    "    if [[ $word == = ]]; then\n"
    "      continue # bash takes --option=value apart\n"
    "    elif [[ $open ]]; then\n"
    "      [[ $option == --topology || $option == -t ]] && __kvctl_topology=$word\n"
    "      open=''\n"
    "    elif [[ $word == -* ]]; then\n"
    "      option=$word\n"
    "      if [[ $known ]]; then\n"
    "        open=$(__kvctl_value \"$command\" \"$word\")\n"
    "      elif [[ $command ]]; then # between the words of a family's name\n"
    "        for second in $(__kvctl_second \"$command\"); do\n"
    "          open=$(__kvctl_value \"$command $second\" \"$word\")\n"
    "          [[ $open ]] && break\n"
    "        done\n"
    "      fi\n"
    "    elif [[ ! $command ]]; then\n"
    "      command=$word\n"
    "      [[ $(__kvctl_second \"$word\") ]] || known=1\n"
    "    elif [[ ! $known ]]; then\n"
    "      command+=\" $word\"\n"
    "      known=1\n"
    "    else\n"
    "      operands+=1\n"
    "    fi\n"
    "  done\n"
    "  [[ $current == = ]] && current=''\n"
    "  if [[ $open ]]; then\n"
    "    __kvctl_offer \"$open\" \"$current\"\n"
    "  elif [[ ! $command ]]; then\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$__kvctl_first --help --version\" -- \"$current\")\n"
    "  elif [[ $command == help ]]; then\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$__kvctl_first\" -- \"$current\")\n"
    "  elif [[ ! $known ]]; then\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$(__kvctl_second \"$command\")\" -- \"$current\")\n"
    "  elif [[ $current == -* ]]; then\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$(__kvctl_options \"$command\")\" -- \"$current\")\n"
    "  else\n"
    "    # shellcheck disable=SC2046\n"
    "    __kvctl_offer \"$(__kvctl_operand \"$operands\" $(__kvctl_operands \"$command\"))\" "
    "\"$current\"\n"
    "  fi\n"
    "}\n"
    "\n"
    "complete -F _kvctl kvctl\n";

static void print_script(FILE *to)
{
    fputs(script_head, to);
    print_commands(to);
    print_options(to);
    print_operands(to);
    fputs(script_body, to);
}

static int print_bash(struct command_context *ctx)
{
    if (!context_json(ctx)) {
        print_script(stdout);
        return EXIT_DONE;
    }
    output_json(ctx,
                json_pack("{s:s,s:o}", "shell", "bash", "script", output_captured(print_script)));
    return EXIT_DONE;
}

/* A line each, or the member `name` of an object. */
static int print_names(struct command_context *ctx, const char *name, struct completion *names)
{
    json_t *list = json_array();
    for (size_t i = 0; i < names->count; i++) {
        json_array_append_new(list, json_string(names->list[i]));
        if (!context_json(ctx))
            puts(names->list[i]);
    }
    if (context_json(ctx))
        output_json(ctx, json_pack("{s:O}", name, list));
    json_decref(list);
    completion_free(names);
    return EXIT_DONE;
}

static int run_completion(struct command_context *ctx, int argc, char **argv)
{
    (void)argc;
    struct completion names;
    if (strcmp(argv[0], "nodes") == 0) {
        complete_nodes(NULL, &names);
        return print_names(ctx, "nodes", &names);
    }
    if (strcmp(argv[0], "clusters") == 0) {
        complete_clusters(&names);
        return print_names(ctx, "clusters", &names);
    }
    if (strcmp(argv[0], "bash") != 0)
        return report_usage(ctx, "there is one for bash: kvctl completion bash",
                            "no completion for '%s'", argv[0]);
    return print_bash(ctx);
}

const struct command command_completion = {
    .name = "completion",
    .group = GROUP_TOOLS,
    .args = "bash|nodes|clusters",
    .summary = "Print a completion script for bash",
    .description =
        "The script completes commands, options, their values, files, node ids and clusters. For "
        "`nodes` the ids of the topology's nodes are printed, for `clusters` the names of those "
        "that are up: the script asks for them.",
    .examples = "source <(kvctl completion bash)\tin ~/.bashrc\n",
    .local = true,
    .min_args = 1,
    .max_args = 1,
    .run = run_completion,
};
