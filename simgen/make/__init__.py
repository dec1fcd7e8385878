"""A sample's number goes in, a pair of pictures with its record comes out.

simgen makes pairs of pictures, before and after one physical event, in which nothing else has changed. This package is
where a pair is made. What the other packages know, it puts in order:

    SampleId → SceneSpec → Rollout → Event → Camera → Described → Surveyed → Frames → Judged → Sample
            draw   simulate  certify  place  describe    survey   render    judge   record

draw       A scene (`scenes/`) draws its bodies, lights and one event, as plain data.
simulate   Rigid bodies move, and the scene's own law does the rest: the world at every instant.
certify    It is asked whether this is physics, and whether the event changed what it acts upon.
place      The camera is put where it sees everything that the event is about.
describe   The outlines in the picture to come are large enough, and there are words for what happened.
survey     A small, rough picture of the start and of the end sets the exposure, and most bad pairs end here.
render     The start, then the end where it differs from the start.
judge      All else of the end is copied from the start, and the finished pair is asked everything again.
record     Pictures, mask, instructions and every number that is known become a sample.

Each phase is a function in `phases.py` that takes what the one before it has made and returns the next value, or a
`Reject` with its reason. `family.py` composes them to one attempt, and `maker.py` tries again until an attempt is kept.

Several samples may begin with the same picture: a family. Scene, camera, exposure and start are then made once, and
each member is another event. A sample alone is a family of one, so there is one way through the code.

A gate is one question with a figure and a limit, such as "no body is inside another by more than 2 mm". Gates are
files in `gates/`, and each names the stage at which it is asked. What a stage knows is in `evidence.py`: the rollout,
the outlines, the ids of what each pixel shows, the colours, the other members. A gate that is passed is written down in
the record; the first that fails rejects the attempt.

A sample is a pure function of (recipe, seed, index). Every random number comes from a generator that is made from the
seed, the number of the family, the attempt and the event, and from nothing else: not from the clock, the machine or
the samples made before. So any worker can make any sample, in any order, once more if need be, and gets the same
bytes: that is how a run goes on after a crash, and how `simgen reproduce` checks a data set.

Beside these are `changes.py`, which bodies differ between the frames; `exposure.py`, how bright a sample is;
`clock.py`, where the seconds went; and `planning.py`, which pins what decides the bytes on this machine. Blender and
the physics engine are imported only when the first picture or the first simulation is needed.
"""
