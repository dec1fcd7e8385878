#!/usr/bin/env bash
# One Ray cluster on the nodes of a Slurm job, one data set:
#
#   sbatch --nodes 4 --cpus-per-task 64 docker/slurm.sh all --n 100000 --out /shared/data/all
#
# The arguments are those of `simgen generate`; --out is on a file system that all nodes share. Submitted again it goes
# on where it was. SIMGEN_RUN is put before every command, for the image on nodes that have Apptainer:
#
#   apptainer build simgen-render.sif docker-archive:simgen-render.tar
#   export SIMGEN_RUN="apptainer exec --bind /shared /shared/simgen-render.sif"
#
#SBATCH --job-name=simgen
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --signal=B:TERM@120
set -euo pipefail

read -ra run <<<"${SIMGEN_RUN:-}"
cpus=${SLURM_CPUS_PER_TASK:-${SLURM_CPUS_ON_NODE:?not inside a Slurm job}}
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
# Two jobs may share a node.
port=$((20000 + SLURM_JOB_ID % 10000))
on_head=(srun --overlap --nodes=1 --ntasks=1 --nodelist="${nodes[0]}" --cpus-per-task="$cpus")
host=$("${on_head[@]}" hostname --ip-address | awk '{ print $1 }')
address=$host:$port
export RAY_USAGE_STATS_ENABLED=0
# Whoever reaches the port of a cluster runs code in it; srun hands the token to every node.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')

stop() {
  trap - EXIT TERM
  # The driver writes down what is finished before the cluster goes.
  if [ -n "${driver:-}" ]; then kill -TERM "$driver" 2>/dev/null && wait "$driver" || true; fi
  kill $(jobs -p) 2>/dev/null || true
  wait
}
trap stop EXIT
trap 'stop; exit 143' TERM

"${on_head[@]}" "${run[@]}" ray start --head --block --node-ip-address="$host" --port="$port" --num-cpus="$cpus" \
  --include-dashboard=false &
until (: >"/dev/tcp/$host/$port") 2>/dev/null; do
  kill -0 $! || { echo "the head on ${nodes[0]} did not start"; exit 1; }
  sleep 1
done
others=$((${#nodes[@]} - 1))
if [ "$others" -gt 0 ]; then
  # --ntasks too: srun takes over the number of the whole job otherwise.
  srun --overlap --nodes=$others --ntasks=$others --cpus-per-task="$cpus" --exclude="${nodes[0]}" \
    "${run[@]}" ray start --block --address="$address" --num-cpus="$cpus" &
fi

# As many workers as there will be cores: without a number it would be those of the nodes that have joined by now.
"${run[@]}" simgen generate --address "$address" --workers $((cpus * ${#nodes[@]})) "$@" &
driver=$!
wait "$driver"
