#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0

# Asks a real API server what host/src/rbac has to answer, and prints the table of host/tests/rbac/answers.tsv:
#
#   host/tests/rbac/record.sh --context CONTEXT > host/tests/rbac/answers.tsv
#   host/tests/rbac/record.sh --context CONTEXT | diff host/tests/rbac/answers.tsv -
#
# Arguments are given to kubectl ($KUBECTL). Creates the objects of objects.yaml, all of them named rbac-table*, and removes
# them afterwards. The cluster needs its usual controllers (aggregation of ClusterRoles), and the user the right to create
# subjectaccessreviews, roles and bindings.

set -euo pipefail
cd "$(dirname "$0")"

kubectl=("${KUBECTL:-kubectl}" "$@")
a=rbac-table-a b=rbac-table-b

# A user and its groups; accounts as NAMESPACE/NAME, with the groups that their tokens have.
users=(
  $a/reader $a/without-namespace $a/as-user $a/visitor $a/named $a/wild $a/observer $a/local-observer
  $b/anyone $b/reader $a/nobody $a/view $a/edit $a/admin $a/local-root system:serviceaccount:$a:root $a/aggregated $a/half-bound $a/unbound
  rbac-table-alice,devs,system:authenticated nobody,system:authenticated rbac-table-bob system:serviceaccount:$a:reader
  system:serviceaccount:$a:nobody,system:serviceaccounts:$b rbac-table-carol,system:masters
)

# Verb, resource[/subresource] or path, API group (- is the core group), namespace (- is the whole cluster), name (- is all).
requests=(
  "get pods - $a -" "get pods - $a web" "get pods - $b -" "get pods - - -" "list pods - $a -" "list pods - - -"
  "watch pods - $a -" "watch pods metrics.k8s.io $a -" "create pods - $a -" "delete pods - $a web" "get pods/log - $a web"
  "create pods/exec - $a web" "get services - $a -" "get services - $b -" "get endpoints - $a -" "get endpoints - $b -"
  "get configmaps - $a settings" "get configmaps - $a other" "get configmaps - $a -" "list configmaps - $a settings"
  "create configmaps - $a -" "get secrets - $a one" "delete secrets - $a one" "get secrets - $a two" "list secrets - $a -"
  "get secrets - - -" "get deployments apps $a -" "create deployments apps $a -" "update deployments/scale apps $a web"
  "update replicasets/scale extensions $a web" "update widgets/scale shop.example.com $a -" "get widgets shop.example.com $a -"
  "create widgets shop.example.com $a -" "delete widgets shop.example.com $a -" "list nodes - - -" "get nodes - - n1"
  "list persistentvolumes - - -" "delete namespaces - - x" "list pods metrics.k8s.io - -" "list nodes metrics.k8s.io - -"
  "get leases coordination.k8s.io $a -" "create serviceaccounts/token - $a web" "impersonate serviceaccounts - $a web"
  "impersonate users - - -" "create rolebindings rbac.authorization.k8s.io $a -" "escalate clusterroles rbac.authorization.k8s.io - -"
  "bind clusterroles rbac.authorization.k8s.io - view" "get priorityclasses scheduling.k8s.io - -"
  "list storageclasses storage.k8s.io - -" "* * * - -" "* * * $a -" "* pods - $a -" "get * apps $a -" "get pods * $a -"
  "* deployments apps $a -" "get /metrics" "get /metrics/cadvisor" "get /logs/x" "get /logs" "post /logs/x"
)

# Prints a SubjectAccessReview.
review() { # user verb resource group namespace name
  local groups=() name=$1 resource=$3 subresource='' group=${4#-} namespace=${5#-} object=${6#-}
  if [[ $name == */* ]]; then
    groups=(system:serviceaccounts "system:serviceaccounts:${name%/*}" system:authenticated)
    name=system:serviceaccount:${name/\//:}
  else
    IFS=, read -ra groups <<<"$name"
    name=${groups[0]} groups=("${groups[@]:1}")
  fi
  local list
  list=$(printf ',"%s"' "${groups[@]}")
  [[ ${#groups[@]} -gt 0 ]] || list=
  printf '{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"%s","groups":[%s],' "$name" "${list#,}"
  if [[ $resource == /* ]]; then
    printf '"nonResourceAttributes":{"verb":"%s","path":"%s"}}}\n' "$2" "$resource"
  else
    [[ $resource != */* ]] || subresource=${resource#*/}
    printf '"resourceAttributes":{"verb":"%s","resource":"%s","subresource":"%s","group":"%s","namespace":"%s","name":"%s"}}}\n' \
      "$2" "${resource%%/*}" "$subresource" "$group" "$namespace" "$object"
  fi
}

work=$(mktemp -d)
cleanup() {
  "${kubectl[@]}" delete --ignore-not-found --timeout=60s -f objects.yaml >&2 || true
  rm -rf "$work"
}
trap cleanup EXIT
set -f # a request may have a * in it

"${kubectl[@]}" apply -f objects.yaml >&2
for _ in $(seq 60); do
  rules=$("${kubectl[@]}" get clusterrole rbac-table-outer -o jsonpath='{.rules[*].resources}')
  edit=$("${kubectl[@]}" get clusterrole admin -o jsonpath='{.rules[?(@.apiGroups[0]=="shop.example.com")].verbs}')
  [[ $rules != *pods* || $rules != *persistentvolumes* || $edit != *create* || $edit != *list* ]] || break
  sleep 0.5
done
sleep 1 # the authorizer reads from a cache of its own

for user in "${users[@]}"; do
  for request in "${requests[@]}"; do
    read -ra words <<<"$request"
    review "$user" "${words[@]}" $([[ ${#words[@]} -eq 5 ]] || echo - - -) >>"$work/reviews.json"
    printf '%s\t%s\n' "$user" "${request// /$'\t'}$([[ ${#words[@]} -eq 5 ]] || printf '\t-\t-\t-')" >>"$work/questions.tsv"
  done
done

# The reason names the binding and the role, or the role that is not there.
template='{{if .status.allowed}}allowed{{else}}denied{{end}}{{"\t"}}{{with .status.reason}}{{.}}{{else}}-{{end}}{{"\n"}}'
"${kubectl[@]}" create -f "$work/reviews.json" -o go-template="$template" |
  sed -E 's/\tRBAC: /\t/; s/\tallowed by (.*) to [A-Za-z]+ "[^"]*"$/\t\1/' >"$work/answers.tsv"

printf '# Made by host/tests/rbac/record.sh: user (with groups), verb, resource, group, namespace, name, answer, reason\n'
paste "$work/questions.tsv" "$work/answers.tsv"
