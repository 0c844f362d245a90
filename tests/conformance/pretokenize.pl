#!/usr/bin/env perl
# pretokenize.pl - compares the words that our tables of rules cut with those of the regular expressions they stand for,
# as Perl understands them, over random texts of a fixed seed ($HEADROOM_RANDOM_TEXTS for each way of cutting).
#
# The expressions are those that published vocabularies were trained with, one list of stages for each way of cutting.
# Perl's Unicode may be younger than ours: the texts are made
# of characters that are older than either.
use strict;
use warnings;
use utf8;
use feature 'unicode_strings';

my $root  = $0 =~ m{^(.*/)?tests/conformance/} ? ($1 // '.') : $0 =~ m{^(.*)/} ? "$1/../.." : '../..';
my $tool  = ($ENV{HEADROOM_BUILD} // "$root/build") . '/tools/cut-text';
my $count = $ENV{HEADROOM_RANDOM_TEXTS} // 3000;
binmode STDOUT, ':utf8';

my $ends    = q{(?i:'s|'t|'re|'ve|'m|'ll|'d)};
my $lines   = q{\s*[\r\n]+|\s+(?!\S)|\s+};
my $upper   = q{[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]};
my $lower   = q{[\p{Ll}\p{Lm}\p{Lo}\p{M}]};
my $no_han  = q{(?!\p{Script=Han})};
my $before  = q{[^\r\n\p{L}\p{N}]?};
my $marks   = q{ ?[^\s\p{L}\p{N}]+[\r\n]*};
my $marks_  = q{ ?[^\s\p{L}\p{N}]+[\r\n/]*};
my $gpt2    = q{'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+};
my $qwen2   = "$ends|$before\\p{L}+|\\p{N}|$marks|$lines";
my $gpt4o   = "$before$upper*$lower+$ends?|$before$upper+$lower*$ends?|\\p{N}{1,3}|$marks_|$lines";
my $deepseek = q{[!"#$%&'()*+,\-./:;<=>?@\[\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|} . $lines;
my $bloom   = q{ ?[^(\s|.,!?…。，、।۔،)]+};
my $jais    = join '|', map { "\\s{$_}(?!\\S)" } 512, 256, 128, 64, 32, 16, 8, 4, '1,2';
my $threes  = q{\d{1,3}(?=(?:\d{3})*(?!\d))};
my $kana    = q{[一-龥\x{3040}-ゟ゠-ヿ]+};

my %ways = (
    'gpt-2'          => [$gpt2],
    'starcoder'      => ['\p{N}', $gpt2],
    'falcon'         => ['[\p{P}\$\+<=>\^~\|`]+', $gpt2, '[0-9][0-9][0-9]'],
    'default'        => ['[\p{P}\$\+<=>\^~\|]+', $gpt2, '\p{N}+', '[0-9][0-9][0-9]'],
    'llama-bpe'      => ["$ends|$before\\p{L}+|\\p{N}{1,3}|$marks|$lines"],
    'qwen2'          => [$qwen2],
    'qwen35'         => ["$ends|$before\[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|$lines"],
    'minicpm5'       => ['\p{N}{1,3}', "$ends|$before\\p{L}+|\\p{N}+|$marks|$lines"],
    'k2-horizon'     => ["$ends|$before(?:\\p{L}|\\p{M}|\\x{200c}|\\x{200d})+|\\p{N}{1,3}|$marks|$lines"],
    'laguna'         => ['[^\n]+|[\n]+', $qwen2],
    'jais-2'         => ["$ends|$before\\p{L}+|\\p{N}{1,3}|$marks|\\s*[\\r\\n]+|$jais|\\s"],
    'bailingmoe'     => [q{'(?i:[sdmt]|ll|ve|re)|} . "$before+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"],
    'seed-coder'     => ["$ends|$before\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|$lines"],
    'exaone-moe'     => ["$ends|$before(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"],
    'tekken'         => ["$before$upper*$lower+|$before$upper+$lower*|\\p{N}|$marks_|$lines"],
    'gpt-4o'         => [$gpt4o],
    'tiny_aya'       => ['\d{1,3}(?=(?:\d{3})*\b)', $gpt4o],
    'youtu'          => ['[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|' . $kana,
                         "$before$upper*$lower+$ends?|$before$upper+$lower*$ends?|\\p{N}|$marks_|$lines"],
    'kimi-k2'        => ["\\p{Script=Han}+|$before(?:$no_han$upper)*(?:$no_han$lower)+$ends?|$before(?:$no_han$upper)+(?:$no_han$lower)*$ends?|"
                         . "\\p{N}{1,3}|$marks|$lines"],
    # published as (?=(\d{3})+(?!\d)), which is the same but for digits beside other numbers (1½)
    'superbpe'       => ['\p{N}+', $threes],
    'afmoe'          => [$threes, '[一-鿿㐀-䶿\x{f900}-\x{faff}\x{3040}-ゟ゠-ヿ･-ﾟ\x{2f00}-\x{2fdf}เ-\x{e7f}\x{e80}-\x{eff}ក-\x{17ff}'
                         . 'က-႟ꩠ-ꩿꧠ-\x{a9ff}가-\x{d7af}ᄀ-ᇿ]+', $deepseek],
    'deepseek-coder' => ['[\r\n]', '\s?\p{L}+', '\s?\p{P}+', '[一-龥ࠀ-一가-\x{d7ff}]+', '\p{N}'],
    'deepseek-v3'    => ['\p{N}{1,3}', $kana, $deepseek],
    'bloom'          => [$bloom],
    'viking'         => [$bloom, '\p{N}'],
    'chameleon'      => ['<sentinel:[0-9]+>', '(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z', '([\t\n]|    |  )', '\p{N}', '[\p{P}!-/:-@\[-`{-~]', $gpt2],
    'gemma4'         => ['[^\n]+|[\n]+'],
    'whitespace'     => ['\S+'],
);

# The pieces of TEXT between, and in, the matches of EXPRESSION.
sub stage {
    my ($expression, $text) = @_;
    my ($at, @pieces) = (0);
    while ($text =~ /$expression/g) {
        my ($start, $end) = ($-[0], $+[0]);
        push @pieces, substr $text, $at, $start - $at if $start > $at;
        push @pieces, substr $text, $start, $end - $start;
        $at = $end;
    }
    push @pieces, substr $text, $at if $at < length $text;
    return @pieces;
}

no warnings 'qw';
my @parts = (qw(a b Z Q HELLO World x1 12 3 4567 1000000 's 'LL 'tis 'Re ' '' ! ? . , : ; - _ / // $ + < = > ^ ~ | ` ( ) [ ] { } @ #),
             ' ', ' ', ' ', '  ', '   ', "\t", "\n", "\n\n", "\r\n", "\r", "\x{a0}", "\x{3000}", "\x{2028}", "\x0b", "\x01",
             qw(é É ß ǅ ʰ Ω я Я ʔ 你 好 日本 の カ ー 한국 ㅏ ㄅ ไ ท ि क ا ی ١٢ ½ Ⅷ ² € ° © 😀 👍🏽 … 。 ， 、 ！ “ ” । ۔ ،), "\x{301}", "\x{200d}",
             "\x{200c}", "\x{200b}", "\x{fe0f}", '<sentinel:12>', 'IMGIMGABZ', 'IMGIMG', (' ' x 17));
srand 1;
my @texts = map { join '', map { $parts[rand @parts] } 0 .. rand 24 } 1 .. $count;
my ($failed, $texts_file) = (0, "/tmp/pretokenize-$$");
open my $out, '>', $texts_file or die "$texts_file: $!\n";
for my $text (@texts) {
    my $bytes = $text;
    utf8::encode($bytes);
    print $out "$bytes\0";
}
close $out;

for my $way (sort keys %ways) {
    my @stages = map { qr/$_/u } @{ $ways{$way} };
    open my $in, '-|', "$tool $way <$texts_file" or die "$tool: $!\n";
    local $/ = "\0";
    my $wrong = 0;
    for my $text (@texts) {
        my @pieces = ($text);
        for my $expression (@stages) {
            @pieces = map { stage($expression, $_) } @pieces;
        }
        my $got = <$in> // '';
        chomp $got;
        utf8::decode($got);
        my $wanted = join "\x1f", @pieces;
        next if $got eq $wanted || $wrong++;
        tr/\x1f/¦/ for $got, $wanted;
        print "FAIL $way:\n  got    $got\n  wanted $wanted\n";
    }
    close $in;
    printf "%-16s %6d texts %6d equal\n", $way, scalar @texts, @texts - $wrong;
    $failed += $wrong;
}
unlink $texts_file;
exit($failed ? 1 : 0);
